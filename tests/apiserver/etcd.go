// One etcd member inside this process, reached through a Unix socket. It listens nowhere else, having no peers, and it
// never calls fsync: nothing here outlives the process.
package main

import (
	"context"
	"errors"
	"net/url"
	"time"

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
)

// startEtcd returns when etcd serves; what goes wrong later is sent to failed.
func startEtcd(ctx context.Context, log *zap.Logger, failed chan<- error) error {
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
	return nil
}
