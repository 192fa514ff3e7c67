// One etcd member inside this process, reached through a Unix socket. It listens nowhere else, having no peers, and it
// never calls fsync: nothing here outlives the process.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.uber.org/zap"
)

const (
	etcdName = "kwo-test"
	etcdDir  = "etcd"
	// Without a third slash etcd takes the rest for a path relative to the working folder.
	etcdURL       = "unix://etcd.sock"
	etcdStartTime = time.Minute
	// What SIGUSR1 writes.
	snapshotFile = "snapshot.db"
)

// startEtcd returns when etcd serves; what goes wrong later is sent to failed. It begins with what is in a snapshot, if one is
// named.
func startEtcd(ctx context.Context, log *zap.Logger, restore string, failed chan<- error) error {
	// etcd reserves two segments at once, and the default of 64 MB each is for clusters that live long.
	wal.SegmentSizeBytes = 8 << 20

	client, err := url.Parse(etcdURL)
	if err != nil {
		return err
	}
	// A member must have a peer address, but a single one is never called at it.
	peer := url.URL{Scheme: "http", Host: "127.0.0.1:2380"}

	cfg := embed.NewConfig()
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(log)
	cfg.Name = etcdName
	cfg.Dir = etcdDir
	cfg.ListenClientUrls = []url.URL{*client}
	cfg.AdvertiseClientUrls = []url.URL{*client}
	cfg.ListenPeerUrls = nil
	cfg.AdvertisePeerUrls = []url.URL{peer}
	cfg.InitialCluster = etcdName + "=" + peer.String()
	cfg.UnsafeNoFsync = true
	cfg.EnableGRPCGateway = false
	// The only member has no one to wait for in its election.
	cfg.TickMs = 50
	cfg.ElectionMs = 250

	if restore != "" {
		// It refuses a snapshot that is not as its sum says.
		err := snapshot.NewV3(log).Restore(snapshot.RestoreConfig{
			SnapshotPath:        restore,
			Name:                cfg.Name,
			OutputDataDir:       cfg.Dir,
			PeerURLs:            []string{peer.String()},
			InitialCluster:      cfg.InitialCluster,
			InitialClusterToken: cfg.InitialClusterToken,
		})
		if err != nil {
			return fmt.Errorf("restoring %s: %w", restore, err)
		}
	}
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return err
	}
	select {
	case <-etcd.Server.ReadyNotify():
	case err := <-etcd.Err():
		return err
	case <-time.After(etcdStartTime):
		return errors.New("not ready in time")
	case <-ctx.Done():
		return ctx.Err()
	}
	go func() { failed <- <-etcd.Err() }()
	snapshots := make(chan os.Signal, 1)
	signal.Notify(snapshots, syscall.SIGUSR1)
	go func() {
		for range snapshots {
			if err := saveSnapshot(ctx); err != nil {
				failed <- fmt.Errorf("saving a snapshot: %w", err)
			}
		}
	}()
	return nil
}

// saveSnapshot asks etcd for a snapshot, as k3s does, and gives it its name once all of it is there.
func saveSnapshot(ctx context.Context) error {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{etcdURL}, DialTimeout: etcdStartTime})
	if err != nil {
		return err
	}
	defer client.Close()
	stream, err := client.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	file, err := os.OpenFile(snapshotFile+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := io.Copy(file, stream); err != nil {
		return err
	}
	return os.Rename(file.Name(), snapshotFile)
}
