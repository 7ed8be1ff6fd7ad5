package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/minio/minio-go/v7"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob/sealed"
)

// metaSum is the user metadata (x-amz-meta-sha256) with the sha256 of the uncompressed bytes; the HTTP client gives
// names in this canonical form.
const metaSum = "Sha256"

// Get reads one object. [plimsoll.ErrNotFound] is returned when the key holds none, [plimsoll.ErrIntegrity] when its
// bytes are not what was written.
func (s *Store) Get(ctx context.Context, key string) (Object, error) {
	var o Object
	err := s.retry(ctx, "read", key, func() (err error) {
		o, err = s.get(ctx, key)
		return err
	})
	return o, err
}

func (s *Store) get(ctx context.Context, key string) (Object, error) {
	body, info, _, err := s.core.GetObject(ctx, s.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return Object{}, err
	}
	defer body.Close()
	stored, err := readBody(body, info.Size)
	if err != nil {
		return Object{}, err
	}
	b, err := sealed.Open(stored, info.UserMetadata[metaSum])
	if err != nil {
		return Object{}, err
	}
	return Object{Bytes: b, ETag: info.ETag, Modified: info.LastModified}, nil
}

// readBody reads an answer of the size that its header gives; a shorter one is an error of the connection.
func readBody(body io.Reader, size int64) ([]byte, error) {
	if size < 0 || size > sealed.MaxStored {
		return nil, fmt.Errorf("%w: object of %d stored bytes, more than %d", plimsoll.ErrLimit, size, int64(sealed.MaxStored))
	}
	// The header's claim is not allocated ahead: a buffer that grows costs little and cannot be made huge by a lie.
	var buf bytes.Buffer
	buf.Grow(int(min(size, 1<<20)) + bytes.MinRead)
	if _, err := io.CopyN(&buf, body, size); err != nil {
		return nil, fmt.Errorf("body: %w", err)
	}
	return buf.Bytes(), nil
}

// Head says whether the key holds an object; its bytes are not checked.
func (s *Store) Head(ctx context.Context, key string) (bool, error) {
	_, err := s.stat(ctx, key)
	if errors.Is(err, plimsoll.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (s *Store) stat(ctx context.Context, key string) (minio.ObjectInfo, error) {
	var info minio.ObjectInfo
	err := s.retry(ctx, "look for", key, func() (err error) {
		info, err = s.core.StatObject(ctx, s.bucket, key, minio.StatObjectOptions{})
		return err
	})
	return info, err
}

// Put writes the object, over another if there is one.
func (s *Store) Put(ctx context.Context, key string, b []byte) error {
	return s.put(ctx, key, b, anything, "")
}

// Create writes the object if the key holds none, else it returns [ErrExists].
func (s *Store) Create(ctx context.Context, key string, b []byte) error {
	return s.put(ctx, key, b, nothing, "")
}

// CreateSealed is [Store.Create] for an object that is sealed already.
func (s *Store) CreateSealed(ctx context.Context, key string, stored []byte, sum string) error {
	return s.putSealed(ctx, key, stored, sum, nothing)
}

// PutSealed is [Store.Put] for an object that is sealed already.
func (s *Store) PutSealed(ctx context.Context, key string, stored []byte, sum string) error {
	return s.putSealed(ctx, key, stored, sum, anything)
}

func (s *Store) putSealed(ctx context.Context, key string, stored []byte, sum string, cond condition) error {
	cond, err := s.able(ctx, key, cond, "")
	if err != nil {
		return err
	}
	return s.sendSealed(ctx, key, stored, sum, cond, "")
}

// maxFile is the largest object that S3 takes in one request, in bytes ("Uploading objects", Amazon S3 user guide).
const maxFile = 5 << 30

// CreateFile writes a file as it is if the key holds no object, else it returns [ErrExists]. It is not sealed, so that tools of
// others can read it where it stands; [Store.Get] cannot. sum is the lower-case hexadecimal sha256 of its size bytes.
func (s *Store) CreateFile(ctx context.Context, key, contentType string, file io.ReaderAt, size int64, sum string) error {
	if size > maxFile {
		return fmt.Errorf("write %s: %w: a file of %d bytes, more than %d", s.at(key), plimsoll.ErrLimit, size, int64(maxFile))
	}
	cond, err := s.able(ctx, key, nothing, "")
	if err != nil {
		return err
	}
	opts := putOptions(sum, cond, "")
	opts.ContentType = contentType
	return s.sendBody(ctx, key, func() io.Reader { return io.NewSectionReader(file, 0, size) }, size, sum, opts, cond)
}

// Replace writes the object if the key still holds the one with etag (from [Store.Get]); an empty etag means that it
// must hold none. Otherwise [ErrExists] is returned and nothing is written.
func (s *Store) Replace(ctx context.Context, key string, b []byte, etag string) error {
	if etag == "" {
		return s.put(ctx, key, b, nothing, "")
	}
	return s.put(ctx, key, b, match, etag)
}

// Delete removes the object; one that is missing already is no error.
func (s *Store) Delete(ctx context.Context, key string) error {
	err := s.retry(ctx, "delete", key, func() error {
		return s.core.RemoveObject(ctx, s.bucket, key, minio.RemoveObjectOptions{})
	})
	if errors.Is(err, plimsoll.ErrNotFound) {
		return nil
	}
	return err
}

// condition is what must hold at the key for a write to happen.
type condition int

const (
	anything condition = iota
	nothing            // If-None-Match: *
	match              // If-Match: etag
)

// put writes one object under a condition, as well as the bucket can.
func (s *Store) put(ctx context.Context, key string, b []byte, cond condition, etag string) error {
	cond, err := s.able(ctx, key, cond, etag)
	if err != nil {
		return err
	}
	return s.send(ctx, key, b, cond, etag)
}

// able is the condition that the bucket can be given. One that it does not honour is looked at here, before the write.
func (s *Store) able(ctx context.Context, key string, cond condition, etag string) (condition, error) {
	if cond == anything || !s.unconditional.Load() {
		return cond, nil
	}
	return anything, s.checkUnconditionally(ctx, key, cond, etag)
}

// send writes one object in a single request. A write whose answer was lost may have happened: when a later try is then
// refused because the key holds something, that something is compared with ours before it counts as another's.
func (s *Store) send(ctx context.Context, key string, b []byte, cond condition, etag string) error {
	stored, sum, err := sealed.Seal(b)
	if err != nil {
		return fmt.Errorf("write %s: %w", s.at(key), err)
	}
	return s.sendSealed(ctx, key, stored, sum, cond, etag)
}

func (s *Store) sendSealed(ctx context.Context, key string, stored []byte, sum string, cond condition, etag string) error {
	body := func() io.Reader { return bytes.NewReader(stored) }
	return s.sendBody(ctx, key, body, int64(len(stored)), sealed.Sum(stored), putOptions(sum, cond, etag), cond)
}

// sendBody makes the request, again with another reader of the same body where it must. payload is the sha256 of the body.
func (s *Store) sendBody(ctx context.Context, key string, body func() io.Reader, size int64, payload string, opts minio.PutObjectOptions, cond condition) error {
	tries := 0
	err := s.retry(ctx, "write", key, func() error {
		tries++
		_, err := s.core.PutObject(ctx, s.bucket, key, body(), size, "", payload, opts)
		return refused(err, cond)
	})
	if tries > 1 && errors.Is(err, ErrExists) && s.holds(ctx, key, opts.UserMetadata[metaSum]) {
		return nil
	}
	return err
}

// refused turns S3's answer to If-Match on a key that no longer exists (404) into what it means here, without the
// answer itself, which would read as "not found".
func refused(err error, cond condition) error {
	if r, ok := response(err); ok && cond == match && r.StatusCode == http.StatusNotFound && r.Code != minio.NoSuchBucket {
		return &deletedError{}
	}
	return err
}

// deletedError is an [ErrExists] that will not pass.
type deletedError struct{}

func (*deletedError) Error() string { return ErrExists.Error() + ": it was deleted" }
func (*deletedError) Unwrap() error { return ErrExists }

func (s *Store) holds(ctx context.Context, key, sum string) bool {
	info, err := s.stat(ctx, key)
	return err == nil && info.UserMetadata[metaSum] == sum
}

// checkUnconditionally asks first and leaves a gap between question and write: what one scheduler alone can live with.
func (s *Store) checkUnconditionally(ctx context.Context, key string, cond condition, etag string) error {
	info, err := s.stat(ctx, key)
	if err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
		return err
	}
	missing := err != nil
	if missing == (cond == nothing) && (missing || info.ETag == etag) {
		return nil
	}
	return fmt.Errorf("write %s: %w", s.at(key), ErrExists)
}

// putOptions makes a plain signed PUT: the payload's hash is known, so neither streaming signatures nor multipart
// uploads, which not every server understands, are needed.
func putOptions(sum string, cond condition, etag string) minio.PutObjectOptions {
	opts := minio.PutObjectOptions{
		UserMetadata:         map[string]string{metaSum: sum},
		ContentType:          "application/zstd",
		DisableMultipart:     true,
		DisableContentSha256: true, // the hash is given with the request instead of chunk by chunk
	}
	switch cond {
	case nothing:
		opts.SetMatchETagExcept("*")
	case match:
		opts.SetMatchETag(etag)
	}
	return opts
}
