// Command gateway serves one folder as an S3 server until its standard input ends. Package blobtest runs it, as a process
// of its own, for tests: so versitygw and what it needs stay out of the go.mod of every module whose tests need a bucket,
// and the gateway's hold on the working directory stays out of the tests' process.
//
// It prints one line, the address that it listens on, when it answers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"
	"golang.org/x/sys/unix"
)

func main() {
	dir := flag.String("dir", "", "folder to serve, absolute; it is created")
	access := flag.String("access", "", "access key")
	region := flag.String("region", "us-east-1", "region")
	flag.Parse()
	if err := run(*dir, *access, os.Getenv("GATEWAY_SECRET"), *region); err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}

func run(dir, access, secret, region string) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		io.Copy(io.Discard, os.Stdin) // ends when the parent does, however it does
	}()
	// The gateway may write on the standard output; the one line that is ours must stand alone.
	out := os.Stdout
	os.Stdout = os.Stderr
	be, err := open(dir)
	if err != nil {
		return fmt.Errorf("open %s: %w", dir, err)
	}
	const tries = 5 // another process may take the port between our choice and the gateway's
	for range tries {
		if err = serve(ctx, be, out, access, secret, region); !errors.Is(err, syscall.EADDRINUSE) {
			return err
		}
	}
	return err
}

func serve(ctx context.Context, be *posix.Posix, out io.Writer, access, secret, region string) error {
	addr, err := freeAddress()
	if err != nil {
		return err
	}
	return embedgw.RunVersityGW(ctx, be, &embedgw.Config{
		RootUserAccess:    access,
		RootUserSecret:    secret,
		Region:            region,
		Ports:             []string{addr},
		MaxConnections:    4096,
		MaxRequests:       4096,
		MultipartMaxParts: 10_000,
		KeepAlive:         true,
		Quiet:             true,
		IAMService:        auth.NewIAMServiceSingle(auth.Account{Access: access, Secret: secret, Role: auth.RoleAdmin}),
		S3Options:         []s3api.Option{s3api.WithOnListen(func() { fmt.Fprintln(out, addr) })},
	})
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// open prepares <dir>/bucket and, where the file system has no extended attributes, <dir>/meta for them.
func open(dir string) (*posix.Posix, error) {
	if !filepath.IsAbs(dir) {
		return nil, errors.New("--dir must be absolute")
	}
	root, side := filepath.Join(dir, "bucket"), filepath.Join(dir, "meta")
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, err
	}
	var store meta.MetadataStorer = meta.XattrMeta{}
	if !hasXattrs(root) {
		if err := os.MkdirAll(side, 0o700); err != nil {
			return nil, err
		}
		var err error
		if store, err = meta.NewSideCar(side); err != nil {
			return nil, err
		}
	}
	return posix.New(root, store, posix.PosixOpts{})
}

func hasXattrs(dir string) bool {
	return unix.Setxattr(dir, "user.plimsoll", []byte("1"), 0) == nil
}
