// Where the parts log to: the file DIR/log, for all of them. Kubernetes logs with klog, etcd with zap; both would
// write to standard error, which belongs to the tests.
package main

import (
	"flag"
	stdlog "log"
	"os"
	"strconv"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

const logFile = "log"

// openLog points klog and the standard logger at the log file and returns the logger for etcd.
func openLog(verbosity int) (*zap.Logger, error) {
	file, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}

	fs := flag.NewFlagSet("klog", flag.ContinueOnError)
	klog.InitFlags(fs)
	for name, value := range map[string]string{
		"logtostderr":     "false",
		"stderrthreshold": "FATAL",
		"one_output":      "true", // else an error is written once for each severity up to its own
		"v":               strconv.Itoa(verbosity),
	} {
		if err := fs.Set(name, value); err != nil {
			return nil, err
		}
	}
	klog.SetOutput(file)
	stdlog.SetOutput(file)

	// The API server's own clients use deprecated resources knowingly.
	rest.SetDefaultWarningHandler(rest.NoWarnings{})

	encoder := zapcore.NewConsoleEncoder(zap.NewProductionEncoderConfig())
	return zap.New(zapcore.NewCore(encoder, zapcore.AddSync(file), zapcore.WarnLevel)), nil
}
