package scan

import (
	"context"
	"log/slog"
	"time"

	scanv1 "github.com/plimsoll/plimsoll/proto/scan/v1"
	"github.com/plimsoll/plimsoll/services/internal/blob"
	"github.com/plimsoll/plimsoll/workflows"
)

// Options are what a Scanner needs; all but Publish, Log and Now must be set.
type Options struct {
	Pool  *Pool
	Store *blob.Store
	// Publish sends the hint that a stream of the change log has grown. It may be nil; a failure is logged and nothing else,
	// because the reporter also looks by itself.
	Publish func(context.Context, *scanv1.Event) error
	// Scopes are those of the registries, by id, where they leave out images.
	Scopes map[string]string
	// ListedOnly are the registries, by id, where only digests that a listing told may be read: asked for a tag, they might fetch
	// what it names from elsewhere.
	ListedOnly map[string]bool
	Log        *slog.Logger
	Now        func() time.Time
}

// Scanner does the steps of ScanImages. It is safe for concurrent use and keeps no state between calls.
type Scanner struct {
	pool    *Pool
	store   *blob.Store
	publish func(context.Context, *scanv1.Event) error
	scopes  map[string]string
	listed  map[string]bool
	log     *slog.Logger
	now     func() time.Time
}

var _ workflows.Scanner = (*Scanner)(nil)

// New makes a Scanner.
func New(o Options) *Scanner {
	if o.Publish == nil {
		o.Publish = func(context.Context, *scanv1.Event) error { return nil }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Scanner{pool: o.Pool, store: o.Store, publish: o.Publish, scopes: o.Scopes, listed: o.ListedOnly, log: o.Log, now: o.Now}
}
