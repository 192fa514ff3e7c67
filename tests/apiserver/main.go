// The entry point: reads the flags, starts the parts in the order in which they need each other (datastore, API server,
// controllers), says when the server is ready, and ends when it is told to. Nothing is shut down in an orderly way:
// the state is thrown away with its folder, so ending the process at once is the surest way to leave nothing behind.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"go.uber.org/zap"
	"k8s.io/klog/v2"
)

// startLimit bounds a start on a machine that is busy with other things; a start on an idle one takes seconds.
const startLimit = 3 * time.Minute

// settings is what the command line says. The file names in it are absolute.
type settings struct {
	dir        string
	kubeconfig string
	auditLog   string
	auditLevel string
	authConfig string
	datastore  string
	restore    string
	flags      []string
	port       int
	verbosity  int
}

func main() {
	opts, err := parseFlags(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kwo-test-apiserver:", err)
		os.Exit(2)
	}

	log, err := prepareDir(opts)
	if err != nil {
		fmt.Fprintln(os.Stderr, "kwo-test-apiserver:", err)
		os.Exit(1)
	}

	ended := make(chan string, 1)
	watchParent(ended)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)

	failed := make(chan error, 1)
	go func() { failed <- run(context.Background(), opts, log) }()

	code := 0
	select {
	case reason := <-ended:
		klog.Infof("Ending: %s", reason)
	case s := <-signals:
		klog.Infof("Ending: signal %s", s)
	case err := <-failed:
		fmt.Fprintf(os.Stderr, "kwo-test-apiserver: %v (log: %s)\n", err, filepath.Join(opts.dir, logFile))
		code = 1
	}
	klog.Flush()
	os.Exit(code)
}

func parseFlags(args []string) (settings, error) {
	var opts settings
	fs := flag.NewFlagSet("kwo-test-apiserver", flag.ContinueOnError)
	fs.StringVar(&opts.dir, "dir", "", "folder for all state: certificates, objects, log (required; the caller removes it)")
	fs.StringVar(&opts.kubeconfig, "kubeconfig", "", "where to write the admin kubeconfig (default DIR/kubeconfig)")
	fs.StringVar(&opts.auditLog, "audit-log", "", "where to write an audit log as JSON lines (default: none)")
	fs.StringVar(&opts.auditLevel, "audit-level", "Metadata", "level of the audit log: Metadata, Request or RequestResponse")
	fs.StringVar(&opts.authConfig, "authentication-config", "", "an AuthenticationConfiguration, as for kube-apiserver (default: none)")
	fs.Func("set", "a further flag of kube-apiserver, as NAME=VALUE; can be repeated", func(flag string) error {
		opts.flags = append(opts.flags, "--"+flag)
		return nil
	})
	fs.StringVar(&opts.datastore, "datastore", "etcd", "what objects are kept in: etcd, or kine over SQLite as in k3s")
	fs.StringVar(&opts.restore, "restore", "", "a snapshot of etcd to begin with; SIGUSR1 writes DIR/snapshot.db (default: none)")
	fs.IntVar(&opts.port, "port", 0, "port on 127.0.0.1 (default: any free one)")
	fs.IntVar(&opts.verbosity, "v", 0, "verbosity of DIR/log, as the -v of Kubernetes programs")
	if err := fs.Parse(args); err != nil {
		return opts, err
	}
	if fs.NArg() > 0 {
		return opts, fmt.Errorf("takes no arguments, got %q", fs.Args())
	}
	if opts.dir == "" {
		return opts, errors.New("--dir is required")
	}
	if opts.kubeconfig == "" {
		opts.kubeconfig = filepath.Join(opts.dir, "kubeconfig")
	}
	for _, path := range []*string{&opts.dir, &opts.kubeconfig, &opts.auditLog, &opts.authConfig, &opts.restore} {
		if *path == "" {
			continue
		}
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return opts, err
		}
		*path = absolute
	}
	return opts, nil
}

// run starts everything and returns only if some part fails.
func run(ctx context.Context, opts settings, log *zap.Logger) error {
	listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(opts.port)))
	if err != nil {
		return err
	}
	url := "https://" + listener.Addr().String()
	identities, err := writeCertificates(url)
	if err != nil {
		return fmt.Errorf("making certificates: %w", err)
	}

	failed := make(chan error, 3)
	store, err := startDatastore(ctx, opts, log, failed)
	if err != nil {
		return fmt.Errorf("starting the datastore: %w", err)
	}
	go func() { failed <- fmt.Errorf("the API server ended: %w", runAPIServer(ctx, listener, store, opts)) }()

	ready := make(chan error, 1)
	go func() { ready <- bringUp(ctx, identities, opts.kubeconfig, failed) }()
	select {
	case err := <-failed:
		return err
	case err := <-ready:
		if err != nil {
			return err
		}
	}
	fmt.Println("ready", url)
	return <-failed
}

// bringUp takes a server that has just been started to the state in which the tests expect it.
func bringUp(ctx context.Context, ids identities, kubeconfig string, failed chan<- error) error {
	starting, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := waitForServer(starting, ids.probe); err != nil {
		return err
	}
	go func() { failed <- fmt.Errorf("the controllers ended: %w", runControllers(ctx)) }()
	go func() {
		if err := runNamespaceController(ctx, ids.controllers); err != nil {
			failed <- fmt.Errorf("the namespace controller: %w", err)
		}
	}()
	if err := waitForControllers(starting, ids.probe); err != nil {
		return err
	}
	return writeKubeconfig(kubeconfig, ids.admin)
}

// prepareDir makes the state folder, closes it to other users and makes it the working folder: the parts name their
// files relative to it, and a socket's path has a length limit that an absolute one could exceed.
func prepareDir(opts settings) (*zap.Logger, error) {
	if err := os.MkdirAll(opts.dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.Chmod(opts.dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.Chdir(opts.dir); err != nil {
		return nil, err
	}
	return openLog(opts.verbosity)
}
