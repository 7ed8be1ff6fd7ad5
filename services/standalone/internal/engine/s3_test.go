package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
	"github.com/versity/versitygw/s3response"
)

// stores runs a test over extended attributes and over the side-car.
func stores(t *testing.T, test func(t *testing.T, sideCar bool)) {
	for _, sideCar := range []bool{false, true} {
		t.Run(fmt.Sprintf("sidecar=%v", sideCar), func(t *testing.T) {
			t.Parallel()
			test(t, sideCar)
		})
	}
}

func onlyIfNew() minio.PutObjectOptions {
	var o minio.PutObjectOptions
	o.SetMatchETagExcept("*")
	return o
}

func onlyIf(etag string) minio.PutObjectOptions {
	var o minio.PutObjectOptions
	o.SetMatchETag(etag)
	return o
}

func isConflict(err error) bool {
	code := minio.ToErrorResponse(err).StatusCode
	return code == 412 || code == 409
}

func TestConditionalWrites(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, sideCar bool) {
		e := startChild(t, childOptions{Data: t.TempDir(), Transient: true, SideCar: sideCar})
		ctx, c := testContext(t), dialS3(t, e.S3)
		const key = "refs/r/0-0"
		first, err := put(ctx, c, e.S3.Bucket, key, "1", onlyIfNew())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := put(ctx, c, e.S3.Bucket, key, "2", onlyIfNew()); !isConflict(err) {
			t.Errorf("If-None-Match: * on an existing key: got %v, want 412", err)
		}
		if _, err := put(ctx, c, e.S3.Bucket, key, "3", onlyIf(first.ETag)); err != nil {
			t.Errorf("If-Match with the current etag: %v", err)
		}
		if _, err := put(ctx, c, e.S3.Bucket, key, "4", onlyIf(first.ETag)); !isConflict(err) {
			t.Errorf("If-Match with an old etag: got %v, want 412", err)
		}
		if _, err := put(ctx, c, e.S3.Bucket, "refs/none/0-0", "5", onlyIf(first.ETag)); err == nil {
			t.Error("If-Match on a missing key succeeded")
		}
		if got, _, err := get(ctx, c, e.S3.Bucket, key); err != nil || got != "3" {
			t.Errorf("object is %q, %v, want 3", got, err)
		}
	})
}

// TestConditionalWritesAcrossProcesses races two gateways over one folder: of all writers of a new key one wins, and of
// all updates of one counter none is lost.
func TestConditionalWritesAcrossProcesses(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, sideCar bool) {
		const keys, writers, rounds = 40, 3, 20
		data := t.TempDir()
		ctx := testContext(t)
		var clients []*minio.Client
		var bucket string
		for range 2 {
			e := startChild(t, childOptions{Data: data, Transient: true, SideCar: sideCar})
			bucket = e.S3.Bucket
			for range writers {
				clients = append(clients, dialS3(t, e.S3))
			}
		}
		wins := make([][]int, len(clients))
		if _, err := put(ctx, clients[0], bucket, "sweeps/r/counter", "0", minio.PutObjectOptions{}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i, c := range clients {
			wg.Go(func() {
				for k := range keys {
					_, err := put(ctx, c, bucket, fmt.Sprintf("facts/%04d", k), fmt.Sprint(i), onlyIfNew())
					if err == nil {
						wins[i] = append(wins[i], k)
					} else if !isConflict(err) {
						t.Errorf("put: %v", err)
					}
				}
				for range rounds {
					count(ctx, t, c, bucket, "sweeps/r/counter")
				}
			})
		}
		wg.Wait()
		all := slices.Sorted(slices.Values(slices.Concat(wins...)))
		want := make([]int, keys)
		for k := range want {
			want[k] = k
		}
		if diff := cmp.Diff(want, all); diff != "" {
			t.Errorf("each key must have one winner (-want +got):\n%s", diff)
		}
		if got, _, err := get(ctx, clients[0], bucket, "sweeps/r/counter"); err != nil || got != fmt.Sprint(len(clients)*rounds) {
			t.Errorf("counter is %q, %v, want %d", got, err, len(clients)*rounds)
		}
	})
}

// count adds one to the number in an object, however often others are faster.
func count(ctx context.Context, t *testing.T, c *minio.Client, bucket, key string) {
	for ctx.Err() == nil {
		s, info, err := get(ctx, c, bucket, key)
		if minio.ToErrorResponse(err).StatusCode == 412 {
			continue // replaced between the two requests of a read
		}
		var n int
		if err == nil {
			_, err = fmt.Sscan(s, &n)
		}
		if err != nil {
			t.Errorf("read counter: %v", err)
			return
		}
		_, err = put(ctx, c, bucket, key, fmt.Sprint(n+1), onlyIf(info.ETag))
		if err == nil {
			return
		}
		if !isConflict(err) {
			t.Errorf("write counter: %v", err)
			return
		}
	}
	t.Error("count:", context.Cause(ctx))
}

// openBackend opens the storage in this process, which then owns the working directory as a gateway does.
func openBackend(t *testing.T, sideCar bool) (*durable, folders) {
	t.Helper()
	gateway.Lock()
	t.Cleanup(gateway.Unlock)
	dir, err := openData(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir.root) // restores the working directory
	d, err := newBackend(t.Context(), dir, sideCar)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Shutdown)
	return d, dir
}

func putBackend(t *testing.T, d *durable, key, content string) error {
	t.Helper()
	bucket, n := bucketName, int64(len(content))
	star := "*"
	_, err := d.PutObject(t.Context(), s3response.PutObjectInput{
		Bucket: &bucket, Key: &key, Body: strings.NewReader(content), ContentLength: &n, IfNoneMatch: &star,
	})
	return err
}

func TestDurableWrites(t *testing.T) {
	for _, sideCar := range []bool{false, true} {
		t.Run(fmt.Sprintf("sidecar=%v", sideCar), func(t *testing.T) {
			d, dir := openBackend(t, sideCar)
			var synced []string
			d.fsync = func(f *os.File) error {
				name, err := filepath.Rel(dir.root, f.Name())
				if err != nil || strings.HasPrefix(name, "..") || strings.Contains(name, ".sgwtmp") {
					name = "content" // the object's file before it has its name
				}
				synced = append(synced, name)
				return f.Sync()
			}
			if err := putBackend(t, d, "facts/a/b", "derivable"); err != nil {
				t.Fatal(err)
			}
			if len(synced) > 0 {
				t.Errorf("a derivable object was synced: %v", synced)
			}
			for _, p := range durablePrefixes() {
				synced = nil
				if err := putBackend(t, d, p+"a/b", "not derivable"); err != nil {
					t.Fatal(err)
				}
				p = strings.TrimSuffix(p, "/")
				want := []string{
					"content", "bucket/plimsoll/" + p + "/a/b", "bucket/plimsoll/" + p + "/a", "bucket/plimsoll/" + p, "bucket/plimsoll",
				}
				if sideCar {
					want = append(want, "bucket-meta/plimsoll/"+p+"/a/b/meta/etag", "bucket-meta/plimsoll/"+p+"/a/b/meta",
						"bucket-meta/plimsoll/"+p+"/a/b", "bucket-meta/plimsoll/"+p+"/a", "bucket-meta/plimsoll/"+p, "bucket-meta/plimsoll")
				}
				got := slices.DeleteFunc(synced, func(s string) bool { return strings.HasSuffix(s, "/meta/checksums") })
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("synced for %s (-want +got):\n%s", p, diff)
				}
			}
		})
	}
}

func TestDurableWriteFails(t *testing.T) {
	d, _ := openBackend(t, false)
	broken := errors.New("disk broken")
	d.fsync = func(*os.File) error { return broken }
	if err := putBackend(t, d, "policy/1", "x"); !errors.Is(err, broken) {
		t.Errorf("got %v, want the error of the sync", err)
	}
	d.fsync = (*os.File).Sync
	if err := putBackend(t, d, "policy/1", "x"); err != nil {
		t.Errorf("the failed write left something under its key: %v", err)
	}
}

// TestOrphanMetadata writes again a key of which a kill left the side-car metadata and no object.
func TestOrphanMetadata(t *testing.T) {
	d, dir := openBackend(t, true)
	const key = "changes/r/00000000000000000001"
	if err := putBackend(t, d, key, "first"); err != nil {
		t.Fatal(err)
	}
	if err := putBackend(t, d, key, "second"); err == nil {
		t.Fatal("If-None-Match: * on an existing key succeeded")
	}
	if err := os.Remove(filepath.Join(dir.bucket, bucketName, key)); err != nil {
		t.Fatal(err)
	}
	if err := putBackend(t, d, key, "third"); err != nil {
		t.Errorf("If-None-Match: * on a key with orphaned metadata: %v", err)
	}
}

// TestLostAttributes opens a bucket that was copied without its attributes.
func TestLostAttributes(t *testing.T) {
	gateway.Lock()
	t.Cleanup(gateway.Unlock)
	dir, err := openData(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir.root)
	if err := os.MkdirAll(filepath.Join(dir.bucket, bucketName, "facts"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err = newBackend(t.Context(), dir, false)
	if err == nil || !strings.Contains(err.Error(), "has lost its extended attributes") {
		t.Errorf("got %v, want an error about the attributes", err)
	}
	if err := os.Remove(filepath.Join(dir.bucket, bucketName, "facts")); err != nil {
		t.Fatal(err)
	}
	d, err := newBackend(t.Context(), dir, false) // an empty one is a creation that was killed half-way
	if err != nil {
		t.Fatal(err)
	}
	d.Shutdown()
}

// TestLargeObjects go as multipart uploads, which end in another call of the storage. minio-go drops the conditions of a
// multipart upload without a word, so a conditional write needs DisableMultipart.
func TestLargeObjects(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, sideCar bool) {
		e := startChild(t, childOptions{Data: t.TempDir(), Transient: true, SideCar: sideCar})
		ctx, c := testContext(t), dialS3(t, e.S3)
		const key = "reports/2026-W48/report.pdf"
		content := strings.Repeat("0123456789abcdef", 1<<20) // 16 MiB: four parts
		if _, err := put(ctx, c, e.S3.Bucket, key, content, minio.PutObjectOptions{PartSize: 5 << 20}); err != nil {
			t.Fatal(err)
		}
		if got, _, err := get(ctx, c, e.S3.Bucket, key); err != nil || got != content {
			t.Errorf("read back %d bytes, %v, want the %d written", len(got), err, len(content))
		}
		o := onlyIfNew()
		o.DisableMultipart = true
		// Refused before the content has arrived: the client sees the 412 or a connection reset under its writing.
		if _, err := put(ctx, c, e.S3.Bucket, key, content, o); err == nil {
			t.Error("If-None-Match: * on an existing large object succeeded")
		}
		if _, err := put(ctx, c, e.S3.Bucket, key+".2", content, o); err != nil {
			t.Errorf("If-None-Match: * on a new large object: %v", err)
		}
	})
}
