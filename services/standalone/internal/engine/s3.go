package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"
	"golang.org/x/sys/unix"
)

const (
	bucketName = "plimsoll"
	region     = "us-east-1"
	// gatewayConns bounds connections and requests in flight; the clients are this process's own parts.
	gatewayConns = 4096
	// gatewayParts is S3's own limit on the parts of an upload.
	gatewayParts = 10_000
)

// ErrRunning is returned when this process already runs engines: the S3 gateway owns the working directory.
var ErrRunning = errors.New("engines already run in this process")

// gateway is held while a gateway runs. It is the one piece of global state, standing for the one the gateway takes:
// the working directory of the process.
var gateway sync.Mutex

// startS3 runs the gateway over dir.bucket and returns when it answers and the bucket exists.
func startS3(ctx context.Context, dir folders, o Options) (S3, stopFunc, error) {
	if !gateway.TryLock() {
		return S3{}, nil, fmt.Errorf("start s3: %w", ErrRunning)
	}
	home, err := os.Getwd()
	if err != nil {
		home = dir.root // the working directory was removed: any will do
	}
	leave := func() error {
		defer gateway.Unlock()
		return os.Chdir(home)
	}
	s, stop, err := runGateway(ctx, dir, o)
	if err != nil {
		return S3{}, nil, errors.Join(fmt.Errorf("start s3 over %s: %w", dir.bucket, err), leave())
	}
	return s, func(ctx context.Context) error {
		if err := stop(ctx); err != nil {
			return err
		}
		return leave()
	}, nil
}

// runGateway serves the bucket, on another port when another process took ours in between.
func runGateway(ctx context.Context, dir folders, o Options) (s S3, stop stopFunc, err error) {
	const tries = 3
	for range tries {
		ports, perr := freePorts(1)
		if perr != nil {
			return S3{}, nil, perr
		}
		be, berr := newBackend(ctx, dir, o.sideCar)
		if berr != nil {
			return S3{}, nil, berr
		}
		s = S3{Endpoint: hostPort(ports[0]), AccessKey: user, SecretKey: o.secret(), Bucket: bucketName, Region: region}
		if stop, err = serve(ctx, be, s, o); err == nil || !errors.Is(err, unix.EADDRINUSE) {
			return s, stop, err
		}
	}
	return S3{}, nil, err
}

// serve runs the gateway until stopped and returns once it listens.
func serve(ctx context.Context, be *durable, s S3, o Options) (stopFunc, error) {
	ready, done := make(chan struct{}), make(chan error, 1)
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		done <- embedgw.RunVersityGW(run, be, &embedgw.Config{
			RootUserAccess:    s.AccessKey,
			RootUserSecret:    s.SecretKey,
			Region:            s.Region,
			Ports:             []string{s.Endpoint},
			MaxConnections:    gatewayConns,
			MaxRequests:       gatewayConns,
			MultipartMaxParts: gatewayParts,
			KeepAlive:         true,
			Quiet:             true,
			// Given, because the gateway announces its own choice of one on the standard output.
			IAMService: auth.NewIAMServiceSingle(auth.Account{Access: s.AccessKey, Secret: s.SecretKey, Role: auth.RoleAdmin}),
			S3Options:  []s3api.Option{s3api.WithOnListen(func() { close(ready) })},
		})
	}()
	stop := func(ctx context.Context) error {
		cancel()
		return wait(ctx, "s3", func() {
			if err := <-done; err != nil {
				o.Log.Error("s3 gateway failed", "engine", "s3", "error", err)
			}
		})
	}
	select {
	case <-ready:
		return stop, nil
	case err := <-done:
		cancel()
		return nil, errors.Join(errors.New("gateway ended at once"), err)
	case <-ctx.Done():
		cancel()
		<-done // it owns the working directory until then; its shutdown is bounded
		return nil, fmt.Errorf("gateway not ready: %w", context.Cause(ctx))
	}
}

// newBackend opens the storage under the gateway and creates the bucket if it is missing.
func newBackend(ctx context.Context, dir folders, sideCar bool) (*durable, error) {
	store, metaDir, err := newMeta(dir, sideCar)
	if err != nil {
		return nil, fmt.Errorf("open metadata: %w", err)
	}
	var opts posix.PosixOpts // its SideCarDir only checks what newMeta ensures, and prints
	opts.SetNewDirPerm(0o700)
	opts.SetNewFilePerm(0o600)
	px, err := posix.New(dir.bucket, store, opts)
	if err != nil {
		return nil, err
	}
	if err := createBucket(ctx, px, store, dir.bucket); err != nil {
		px.Shutdown()
		return nil, fmt.Errorf("create bucket: %w", err)
	}
	return &durable{Posix: px, root: dir.bucket, meta: metaDir, fsync: (*os.File).Sync}, nil
}

// newMeta chooses where the objects' metadata lives: in extended attributes, or, where the file system has none, in a
// side-car folder. A side-car folder that exists decides: what it holds exists nowhere else.
func newMeta(dir folders, sideCar bool) (store meta.MetadataStorer, metaDir string, err error) {
	_, err = os.Stat(dir.meta)
	if errors.Is(err, fs.ErrNotExist) && !sideCar {
		ok, err := hasXattrs(dir.bucket)
		if err != nil {
			return nil, "", err
		}
		if ok {
			return meta.XattrMeta{}, "", nil
		}
	}
	if err := os.MkdirAll(dir.meta, 0o700); err != nil {
		return nil, "", err
	}
	store, err = meta.NewSideCar(dir.meta)
	return store, dir.meta, err
}

// hasXattrs tries the real thing: some file systems read attributes but refuse to write them.
func hasXattrs(dir string) (bool, error) {
	f, err := os.CreateTemp(dir, ".xattr-*")
	if err != nil {
		return false, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	err = unix.Fsetxattr(int(f.Fd()), "user.plimsoll", []byte("1"), 0)
	if err != nil && isFull(err) {
		return false, err
	}
	return err == nil, nil
}

// createBucket makes the bucket unless it is there. Two processes may come here at once, and the gateway creates a
// bucket in two steps (folder, then attributes), so one does it at a time.
func createBucket(ctx context.Context, px *posix.Posix, store meta.MetadataStorer, root string) error {
	f, err := os.OpenFile(filepath.Join(root, ".create"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil { // held for milliseconds
		return err
	}
	path := filepath.Join(root, bucketName)
	if _, err := os.Stat(path); err == nil {
		if _, err := store.RetrieveAttribute(nil, bucketName, "", "acl"); err == nil {
			return nil
		}
		// Either a kill between the two steps left an empty folder, or someone's copy lost the attributes.
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("%s has lost its extended attributes, as a copy without them does: copy it again with them (cp -a, rsync -X, tar --xattrs), or give --data another folder: %w", path, err)
		}
	}
	acl, err := json.Marshal(auth.ACL{Owner: user})
	if err != nil {
		return err
	}
	name := bucketName
	err = px.CreateBucket(ctx, &s3.CreateBucketInput{
		Bucket:                    &name,
		ObjectOwnership:           types.ObjectOwnershipBucketOwnerEnforced,
		CreateBucketConfiguration: &types.CreateBucketConfiguration{},
	}, acl)
	if err != nil {
		return err
	}
	return syncPath(root)
}
