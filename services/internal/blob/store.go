package blob

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/plimsoll/plimsoll"
)

// Config says which bucket. Secrets come from files so that they never stand in a configuration or a log.
type Config struct {
	Endpoint      string `yaml:"endpoint"` // host[:port]
	Bucket        string `yaml:"bucket"`
	Region        string `yaml:"region"`
	AccessKey     string `yaml:"access_key"`
	SecretKeyFile string `yaml:"secret_key_file"`
	SecretKey     string `yaml:"-"` // given by the embedded store
	TLS           bool   `yaml:"tls"`
	CAFile        string `yaml:"ca_file"`
}

const (
	// DefaultRegion is what S3 servers other than Amazon's call themselves.
	DefaultRegion = "us-east-1"
	// maxSecret bounds the file with the secret key, in bytes: a path given by mistake must not be read whole.
	maxSecret = 4 << 10
)

// ErrExists is returned by Create when the key holds an object already, and by Replace when somebody else was faster.
var ErrExists = errors.New("object exists or has changed")

// Object is one object as read: its uncompressed bytes and the tag that Replace needs.
type Object struct {
	Bytes    []byte
	ETag     string
	Modified time.Time
}

// Entry is one key of a listing.
type Entry struct {
	Key      string
	Size     int64 // compressed
	Modified time.Time
}

// Store is one open bucket. It is safe for concurrent use and holds no goroutine of its own.
type Store struct {
	core   minio.Core
	idle   func() // closes idle connections
	bucket string
	where  string // endpoint/bucket, for errors

	now   func() time.Time // the tails' clock
	clock *clock

	requests *prometheus.CounterVec

	unconditional atomic.Bool // set by SelfTest when conditional writes are not honoured

	mu    sync.Mutex
	tails map[string]*tail // by stream
	turns map[string]*turn // repositories whose refs are being merged
}

// Open connects, checks that the bucket can be reached, and creates it where that is allowed. Errors say which of
// address, certificate, credentials and bucket is wrong. Call SelfTest before relying on conditional writes.
func Open(ctx context.Context, c Config) (*Store, error) {
	tr, err := newTransport(c)
	if err != nil {
		return nil, fmt.Errorf("open bucket: %w", err)
	}
	clock := &clock{now: time.Now}
	core, err := connect(c, timed{tr, clock})
	if err != nil {
		return nil, fmt.Errorf("open bucket: %w", err)
	}
	s := &Store{
		core: *core, idle: tr.CloseIdleConnections, bucket: c.Bucket, where: c.Endpoint + "/" + c.Bucket,
		now: time.Now, clock: clock, requests: newRequests(), tails: map[string]*tail{}, turns: map[string]*turn{},
	}
	if err := s.ensureBucket(ctx, c); err != nil {
		return nil, fmt.Errorf("%w%s", err, advice(err))
	}
	return s, nil
}

// Close drops idle connections: a server that is asked to stop waits for them. The store may still be used.
func (s *Store) Close() { s.idle() }

func connect(c Config, tr http.RoundTripper) (*minio.Core, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	creds, err := c.credentials()
	if err != nil {
		return nil, err
	}
	return minio.NewCore(c.Endpoint, &minio.Options{
		Creds:      creds,
		Secure:     c.TLS,
		Transport:  tr,
		Region:     c.region(),
		MaxRetries: 1, // retrying is ours: a conditional write that is sent twice needs a second look (retry.go)
	})
}

func (c Config) check() error {
	switch {
	case c.Endpoint == "":
		return fmt.Errorf("%w: bucket.endpoint is empty; write host[:port] of the S3 server", plimsoll.ErrInvalid)
	case strings.Contains(c.Endpoint, "/"):
		return fmt.Errorf("%w: bucket.endpoint %q; write host[:port] without a scheme or path, and bucket.tls: true for https", plimsoll.ErrInvalid, c.Endpoint)
	case c.Bucket == "":
		return fmt.Errorf("%w: bucket.bucket is empty; write the bucket's name", plimsoll.ErrInvalid)
	}
	return nil
}

func (c Config) region() string {
	if c.Region == "" {
		return DefaultRegion
	}
	return c.Region
}

// credentials are the configured ones, or, without an access key, what the surroundings give: the AWS_… variables,
// the shared credentials file, or the role of the machine or service account.
func (c Config) credentials() (*credentials.Credentials, error) {
	if c.AccessKey == "" {
		return credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{},
		}), nil
	}
	secret := c.SecretKey
	if c.SecretKeyFile != "" {
		b, err := readSmall(c.SecretKeyFile, maxSecret)
		if err != nil {
			return nil, fmt.Errorf("read bucket.secret_key_file: %w", err)
		}
		secret = strings.TrimSpace(string(b))
	}
	if secret == "" {
		return nil, fmt.Errorf("%w: bucket.access_key is set and the secret key is empty; put it into a file and name that in bucket.secret_key_file", plimsoll.ErrInvalid)
	}
	return credentials.NewStaticV4(c.AccessKey, secret, ""), nil
}

// readSmall reads a file of at most limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%w: %s holds %d bytes, more than %d: is it the right file?", plimsoll.ErrLimit, path, info.Size(), limit)
	}
	return os.ReadFile(path)
}

// advice is what to do about a bucket that cannot be opened, to stand behind the error.
func advice(err error) string {
	switch {
	case errors.Is(err, plimsoll.ErrDenied):
		return "" // it says so itself
	case errors.Is(err, plimsoll.ErrUnavailable):
		return "; check bucket.endpoint, bucket.tls and bucket.ca_file, and that the S3 server runs"
	}
	return "; check bucket.endpoint, bucket.bucket and the keys"
}

func (s *Store) ensureBucket(ctx context.Context, c Config) error {
	var exists bool
	err := s.retry(ctx, "look for the bucket", "", func() (err error) {
		exists, err = s.core.BucketExists(ctx, s.bucket)
		return err
	})
	if err != nil || exists {
		return err
	}
	err = s.retry(ctx, "create the bucket", "", func() error {
		return s.core.MakeBucket(ctx, s.bucket, minio.MakeBucketOptions{Region: c.region()})
	})
	var answer minio.ErrorResponse
	if errors.As(err, &answer) && (answer.Code == minio.BucketAlreadyOwnedByYou || answer.Code == minio.BucketAlreadyExists) {
		return nil // another part was faster
	}
	return err
}

// Conditional says whether the bucket honours If-None-Match and If-Match. True until SelfTest finds otherwise.
func (s *Store) Conditional() bool { return !s.unconditional.Load() }
