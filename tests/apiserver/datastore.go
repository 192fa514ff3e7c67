// The store behind the API server, as its own program or inside this one; the API server reaches either through a Unix
// socket in the state folder, which is closed to other users.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"go.uber.org/zap"
)

const (
	kineSocket    = "kine.sock"
	kineLog       = "kine.log"
	kineStartTime = time.Minute
	// Where k3s keeps its objects, seen from its folder `server`, with what k3s asks of SQLite. Without the third slash
	// the path is relative to the working folder.
	kineEndpoint = "sqlite://./db/state.db?_journal_mode=WAL&_busy_timeout=30000&_synchronous=NORMAL&_txlock=immediate&_stmt_cache_size=20&cache=shared"
)

// startDatastore returns where the API server finds its store, when it serves; what goes wrong later is sent to failed.
func startDatastore(ctx context.Context, opts settings, log *zap.Logger, failed chan error) (string, error) {
	switch kind := opts.datastore; kind {
	case "etcd":
		return etcdURL, startEtcd(ctx, log, opts.restore, failed)
	case "kine":
		if opts.restore != "" {
			return "", errors.New("--restore takes a snapshot of etcd, and kine has none")
		}
		return "unix://" + kineSocket, startKine(ctx, failed)
	default:
		return "", fmt.Errorf("--datastore is etcd or kine, not %q", kind)
	}
}

// startKine starts the program that build.sh puts beside this one: what k3s on one node keeps everything in, SQLite
// behind etcd's API.
func startKine(ctx context.Context, failed chan error) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll("db", 0o700); err != nil {
		return err
	}
	// What a server that was killed has left.
	if err := os.Remove(kineSocket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	log, err := os.OpenFile(kineLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	kine := exec.Command(filepath.Join(filepath.Dir(self), "kine"),
		"--listen-address=unix://"+kineSocket, "--endpoint="+kineEndpoint, "--metrics-bind-address=0")
	kine.Stdout, kine.Stderr = log, log
	// It ends with this program, however that ends.
	kine.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}

	started := make(chan error, 1)
	go func() {
		// The signal comes when the thread that started it ends, so this one stays.
		runtime.LockOSThread()
		err := kine.Start()
		started <- err
		if err == nil {
			failed <- fmt.Errorf("kine ended: %w (log: %s)", kine.Wait(), kineLog)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	end := time.Now().Add(kineStartTime)
	for {
		connection, err := net.Dial("unix", kineSocket)
		if err == nil {
			return connection.Close()
		}
		if time.Now().After(end) {
			return fmt.Errorf("not ready in time (log: %s): %w", kineLog, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-failed:
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}
