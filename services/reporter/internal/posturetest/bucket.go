package posturetest

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/services/internal/blob/blobtest"
)

// server is the one S3 server of a test process; each world has a bucket of its own in it.
var server struct {
	once sync.Once
	c    blob.Config
	dir  string
	stop func()
	err  error
	n    atomic.Int64
}

// Main runs the tests of a package and ends the S3 server that they started, if they did.
//
//	func TestMain(m *testing.M) { os.Exit(posturetest.Main(m)) }
func Main(m *testing.M) int {
	defer func() {
		if server.stop != nil {
			server.stop()
			_ = os.RemoveAll(server.dir) // a temporary folder: the system clears it too
		}
	}()
	return m.Run()
}

// Bucket is a new, empty bucket.
func Bucket() (blob.Config, error) {
	server.once.Do(func() {
		if server.dir, server.err = os.MkdirTemp("", "plimsoll-s3-"); server.err == nil {
			server.c, server.stop, server.err = blobtest.Start(server.dir)
		}
	})
	c := server.c
	c.Bucket = fmt.Sprintf("%s-%d", c.Bucket, server.n.Add(1))
	return c, server.err
}
