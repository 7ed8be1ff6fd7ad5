package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3response"
	"golang.org/x/sys/unix"
)

// durablePrefixes are the parts of the bucket that nothing can derive again (DESIGN §5). Generations count with the
// packs they name: one without its packs is worth nothing.
func durablePrefixes() []string {
	return []string{"policy/", "waivers/", "vex/", "audit/", "changes/", "reports/", "advisories/"}
}

func isDurable(key *string) bool {
	for _, p := range durablePrefixes() {
		if key != nil && strings.HasPrefix(*key, p) {
			return true
		}
	}
	return false
}

// durable is the gateway's POSIX storage, which never syncs, with the writes under durablePrefixes synced before they
// are acknowledged: the content before the object appears under its key, so that no crash shows a short one, then the
// object with its attributes and the folders above it.
type durable struct {
	*posix.Posix
	root string // the gateway's root, absolute
	meta string // the side-car folder, absolute; empty with extended attributes

	fsync func(*os.File) error // (*os.File).Sync, but in tests
}

var _ backend.Backend = (*durable)(nil)

func (d *durable) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	if in.IfNoneMatch != nil && in.Key != nil {
		if err := d.dropOrphan(ctx, *in.Bucket, *in.Key); err != nil {
			return s3response.PutObjectOutput{}, err
		}
	}
	if !isDurable(in.Key) {
		return d.Posix.PutObject(ctx, in)
	}
	out, err := d.PutObjectWithPostFunc(ctx, in, d.fsync)
	if err != nil {
		return out, err
	}
	return out, d.sync(*in.Bucket, *in.Key)
}

func (d *durable) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	out, version, err := d.Posix.CompleteMultipartUpload(ctx, in)
	if err != nil || !isDurable(in.Key) {
		return out, version, err
	}
	return out, version, d.sync(*in.Bucket, *in.Key)
}

func (d *durable) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	out, err := d.Posix.CopyObject(ctx, in)
	if err != nil || !isDurable(in.Key) {
		return out, err
	}
	return out, d.sync(*in.Bucket, *in.Key)
}

// GetObject and HeadObject read an object under the gateway's lock of its key when the metadata is in the side-car, since
// a write replaces metadata and content one after the other: a reader in between would take the new etag for the old
// content's, and its If-Match would then overwrite a change it never saw. Extended attributes come with the content.
func (d *durable) GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	unlock, err := d.lockRead(ctx, in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return d.Posix.GetObject(ctx, in) // opens the file: what is streamed later cannot change
}

func (d *durable) HeadObject(ctx context.Context, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	unlock, err := d.lockRead(ctx, in.Bucket, in.Key)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return d.Posix.HeadObject(ctx, in)
}

func (d *durable) lockRead(ctx context.Context, bucket, key *string) (unlock func(), err error) {
	if d.meta == "" || bucket == nil || key == nil {
		return func() {}, nil
	}
	unlock, err = d.lockKey(ctx, *bucket, *key, unix.LOCK_SH)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", *key, err)
	}
	return unlock, nil
}

// sync makes an object that has just been written, its metadata and its name survive a power cut.
func (d *durable) sync(bucket, key string) error {
	err := d.syncUp(filepath.Join(d.root, bucket, key), d.root)
	if err == nil && d.meta != "" { // extended attributes are synced with the file
		err = d.syncMeta(d.metaOf(bucket, key))
	}
	if err != nil {
		return fmt.Errorf("sync %s: %w", key, err)
	}
	return nil
}

func (d *durable) syncMeta(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		// A later write of the same key may have replaced what we saw; it syncs its own.
		if err := d.syncPath(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return d.syncUp(dir, d.meta)
}

// syncUp syncs path and the folders above it, any of which may be new, up to but without root.
func (d *durable) syncUp(path, root string) error {
	for ; len(path) > len(root); path = filepath.Dir(path) {
		if err := d.syncPath(path); err != nil {
			return err
		}
	}
	return nil
}

func (d *durable) syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.fsync(f), f.Close())
}

// metaOf is the folder where the side-car keeps the attributes of an object, a file each.
func (d *durable) metaOf(bucket, key string) string {
	return filepath.Join(d.meta, bucket, key, "meta")
}

// dropOrphan removes side-car metadata that has no object: what a kill between the two steps of a write leaves. The
// gateway takes it for the object and would refuse every later If-None-Match, although a read finds nothing.
// It works under the gateway's own lock of the key, so it cannot meet a writer between the two steps.
func (d *durable) dropOrphan(ctx context.Context, bucket, key string) error {
	if d.meta == "" || !d.isOrphan(bucket, key) {
		return nil
	}
	unlock, err := d.lockKey(ctx, bucket, key, unix.LOCK_EX)
	if err != nil {
		return fmt.Errorf("lock %s: %w", key, err)
	}
	defer unlock()
	if !d.isOrphan(bucket, key) {
		return nil
	}
	return os.RemoveAll(d.metaOf(bucket, key))
}

func (d *durable) isOrphan(bucket, key string) bool {
	_, noMeta := os.Stat(d.metaOf(bucket, key))
	_, noObject := os.Stat(filepath.Join(d.root, bucket, key))
	return noMeta == nil && errors.Is(noObject, fs.ErrNotExist)
}

// lockKey takes, shared or exclusively, the lock under which versitygw publishes key: <root>/.vgwlocks/<sha256 of bucket>/<first byte of the
// sha256 of key> (backend/posix/objlock.go, v1.8.0).
func (d *durable) lockKey(ctx context.Context, bucket, key string, how int) (unlock func(), err error) {
	dir := filepath.Join(d.root, ".vgwlocks", fmt.Sprintf("%x", sha256.Sum256([]byte(bucket))))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	shard := sha256.Sum256([]byte(key))
	f, err := os.OpenFile(filepath.Join(dir, fmt.Sprintf("%02x", shard[0])), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(err, f.Close())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), f.Close())
		}
	}
}
