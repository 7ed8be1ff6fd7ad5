package blob

import (
	"context"
	"errors"
	"iter"
	"time"

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

var _ = context.Background
var _ iter.Seq2[Entry, error]
var _ = plimsoll.ErrNotFound
