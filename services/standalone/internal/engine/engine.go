package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Options says where the engines keep their data and whether NATS and Temporal keep any.
type Options struct {
	// Data is the folder of all engines; made absolute, created with mode 0700. Required.
	Data string
	// Transient keeps NATS and Temporal in memory, so that several processes can share Data at once. The bucket is
	// always on disk.
	Transient bool
	// Log receives the engines' warnings and errors. Default: slog.Default().
	Log *slog.Logger

	// Without names the engines that are not started, because others run in their place.
	Without []string
	// Secret is NATS's password and the bucket's secret key in place of those made at each start, so that clients outlive a restart.
	Secret string
	// TemporalTLS are the files that Temporal's listener speaks TLS with; nil: plain text.
	TemporalTLS *TLSFiles

	// sideCar keeps the objects' metadata beside the bucket even where extended attributes work; for tests.
	sideCar bool
}

// The engines by name.
const (
	EngineNATS     = "nats"
	EngineTemporal = "temporal"
	EngineS3       = "s3"
)

// TLSFiles name a listener's certificate and key and the authority that signed it, in PEM form. Clients must show a
// certificate of the same authority.
type TLSFiles struct{ Cert, Key, CA string }

// NATS tells how to connect to the embedded queue.
type NATS struct {
	URL      string // nats://127.0.0.1:port
	User     string
	Password string
	// Memory says that nothing outlives the process, so streams may as well use memory storage.
	Memory bool
}

// Temporal tells how to connect to the embedded Temporal server. It has no credentials: it listens on loopback alone.
type Temporal struct {
	Address   string // host:port
	Namespace string
}

// S3 tells how to connect to the embedded object store, over plain HTTP.
type S3 struct {
	Endpoint  string // host:port
	AccessKey string
	SecretKey string
	Bucket    string
	Region    string
}

// Engines are the running engines: where they listen and with which credentials. One that was not started is empty.
type Engines struct {
	NATS     NATS
	Temporal Temporal
	S3       S3

	stop    func(context.Context) error
	stopped sync.Once
	err     error
}

// A stopFunc ends one engine and returns when it has ended or ctx is done.
type stopFunc func(ctx context.Context) error

// startTimeout bounds a start: a warm one takes about a second, a cold one on a loaded machine several.
const startTimeout = 60 * time.Second

// Start locks the data folder and starts the engines at the same time. On error those already started are stopped.
// ErrInUse is returned (wrapped) when another process holds the folder, ErrRunning when this process runs engines already.
func Start(ctx context.Context, o Options) (*Engines, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if o.Log == nil {
		o.Log = slog.Default()
	}
	dir, err := openData(o.Data)
	if err != nil {
		return nil, err
	}
	locks, err := lockData(dir, o.Transient)
	if err != nil {
		return nil, err
	}

	e := &Engines{}
	var starts []func() (stopFunc, error)
	if !slices.Contains(o.Without, EngineNATS) {
		starts = append(starts, func() (stop stopFunc, err error) { e.NATS, stop, err = startNATS(ctx, dir.nats, o); return })
	}
	if !slices.Contains(o.Without, EngineTemporal) {
		starts = append(starts, func() (stop stopFunc, err error) { e.Temporal, stop, err = startTemporal(ctx, dir.temporal, o); return })
	}
	if !slices.Contains(o.Without, EngineS3) {
		starts = append(starts, func() (stop stopFunc, err error) { e.S3, stop, err = startS3(ctx, dir, o); return })
	}
	stops, err := startAll(starts)
	stops = append([]stopFunc{locks.release}, stops...)
	e.stop = func(ctx context.Context) error { return stopAll(ctx, stops) }
	if err != nil {
		// ctx may be what ended the start, and the stop needs time of its own.
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		return nil, errors.Join(explain(dir.root, err), e.Stop(stopCtx))
	}
	return e, nil
}

// stopTimeout bounds the stop that follows a failed start.
const stopTimeout = 15 * time.Second

// startAll runs the starts at the same time and returns the stops of those that succeeded, in the order given.
func startAll(starts []func() (stopFunc, error)) ([]stopFunc, error) {
	stops := make([]stopFunc, len(starts))
	errs := make([]error, len(starts))
	var wg sync.WaitGroup
	for i, start := range starts {
		wg.Go(func() { stops[i], errs[i] = start() })
	}
	wg.Wait()
	return slices.DeleteFunc(stops, func(s stopFunc) bool { return s == nil }), errors.Join(errs...)
}

// stopAll stops last to first. When one does not end in time those below it stay: the first of all is the release of the
// locks, and a folder must not be given away while an engine may still write to it.
func stopAll(ctx context.Context, stops []stopFunc) error {
	var errs []error
	for _, stop := range slices.Backward(stops) {
		if err := stop(ctx); err != nil {
			errs = append(errs, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// Stop drains and ends the engines, last started first, and releases the data folder. It returns when all have ended or
// ctx is done, then with an error that names the engine that had not; calling it again returns the same result.
// Clients should have been closed before.
func (e *Engines) Stop(ctx context.Context) error {
	e.stopped.Do(func() { e.err = e.stop(ctx) })
	return e.err
}

// wait runs a stop that cannot be bounded itself and waits for it until ctx is done.
func wait(ctx context.Context, what string, stop func()) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		stop()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop %s: still running: %w", what, context.Cause(ctx))
	}
}

// folders are the absolute paths under the data folder.
type folders struct {
	root, nats, temporal, bucket, meta string
}

func foldersOf(root string) folders {
	return folders{
		root:     root,
		nats:     filepath.Join(root, "nats"),
		temporal: filepath.Join(root, "temporal"),
		bucket:   filepath.Join(root, "bucket"),
		meta:     filepath.Join(root, "bucket-meta"),
	}
}
