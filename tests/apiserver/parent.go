// Ending with the parent. The caller keeps a pipe to our standard input open for as long as it wants the server; the
// pipe closes however the caller ends. A changed parent process is the second sign, for a caller whose pipe was
// inherited by something that outlives it. (A parent-death signal would not do: it fires when the thread that
// started us ends, and test runners start programs from short-lived threads.)
package main

import (
	"io"
	"os"
	"time"
)

const parentPoll = 250 * time.Millisecond

// watchParent sends the reason once it is time to end.
func watchParent(ended chan<- string) {
	parent := os.Getppid()
	tell := func(reason string) {
		select {
		case ended <- reason:
		default:
		}
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		tell("standard input closed")
	}()
	go func() {
		for os.Getppid() == parent {
			time.Sleep(parentPoll)
		}
		tell("the parent process ended")
	}()
}
