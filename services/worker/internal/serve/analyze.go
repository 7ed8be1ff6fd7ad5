package serve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/plimsoll/plimsoll"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
	"github.com/plimsoll/plimsoll/services/internal/registry"
	"github.com/plimsoll/plimsoll/services/worker/internal/analyze"
	"github.com/plimsoll/plimsoll/services/worker/internal/assemble"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
)

// Analyze implements workerv1.WorkerServer.
func (s *Server) Analyze(r *workerv1.AnalyzeRequest, stream workerv1.Worker_AnalyzeServer) error {
	job, err := s.job(r)
	if err != nil {
		return toStatus(err)
	}
	if assemble.IsForeign(job.mediaType) {
		// Facts are kept for bytes that were hashed; these never are.
		return stream.Send(final(outcome{read: plimsoll.Failed(assemble.ReasonForeign)}, 0, false))
	}
	f, joined, leave := s.flights.join(job.blob.Digest, r.GetPush(), job.run)
	defer leave()
	if err := s.follow(stream, f, joined); err != nil {
		return toStatus(err)
	}
	return nil
}

// follow sends progress until the flight ends, then its result. Bytes are told to the call that started the flight alone, so
// that a sum over calls counts them once.
func (s *Server) follow(stream workerv1.Worker_AnalyzeServer, f *flight, joined bool) error {
	tick := time.NewTicker(s.Progress)
	defer tick.Stop()
	bytes := func() int64 {
		if joined {
			return 0
		}
		return f.bytes.Load()
	}
	for {
		select {
		case <-f.done:
			if f.err != nil {
				return f.err
			}
			return stream.Send(final(f.out, bytes(), joined))
		case <-tick.C:
			if err := stream.Send(&workerv1.AnalyzeResponse{ReadBytes: bytes()}); err != nil {
				return err
			}
		case <-stream.Context().Done():
			return context.Cause(stream.Context())
		}
	}
}

func final(o outcome, bytes int64, joined bool) *workerv1.AnalyzeResponse {
	return &workerv1.AnalyzeResponse{
		ReadBytes: bytes, Done: true, State: string(o.read.State), Reason: o.read.Reason, Reused: o.reused || joined,
	}
}

// job is one layer to analyse.
type job struct {
	server     *Server
	source     *registry.Client
	repository string
	blob       layer.Blob
	mediaType  string
}

func (s *Server) job(r *workerv1.AnalyzeRequest) (*job, error) {
	if err := s.sameRecipe(r.GetRecipe()); err != nil {
		return nil, err
	}
	if err := plimsoll.CheckRepository(r.GetRepository()); err != nil {
		return nil, err
	}
	digest, err := plimsoll.ParseDigest(r.GetLayer().GetDigest())
	if err != nil {
		return nil, err
	}
	if r.GetLayer().GetSize() < 0 {
		return nil, fmt.Errorf("layer %s: %w: a size below zero", digest.Short(), plimsoll.ErrInvalid)
	}
	src, err := s.registry(r.GetRegistry())
	if err != nil {
		return nil, err
	}
	return &job{
		server: s, source: src, repository: r.GetRepository(), mediaType: r.GetLayer().GetMediaType(),
		blob: layer.Blob{Digest: digest, Size: r.GetLayer().GetSize()},
	}, nil
}

// run makes the facts that are missing. It looks before it reads, and again when it has waited for a slot.
func (j *job) run(ctx context.Context, f *flight) (outcome, error) {
	s := j.server
	missing, err := s.Store.Missing(ctx, j.blob.Digest)
	if err != nil {
		return outcome{}, err
	}
	if len(missing) == 0 {
		return outcome{read: plimsoll.Complete(), reused: true}, nil
	}
	tried, err := s.Store.Attempt(ctx, j.blob.Digest)
	if err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
		return outcome{}, err
	}
	if tried.Count >= plimsoll.MaxAttempts {
		return outcome{read: plimsoll.Failed("quarantine: " + tried.Reason)}, nil
	}
	release, err := s.slots.take(ctx, f.urgent)
	if err != nil {
		return outcome{}, err
	}
	defer release()
	facts, err := j.read(ctx, f, missing)
	if err != nil {
		return j.failed(ctx, err)
	}
	return j.keep(ctx, facts, tried.Count > 0)
}

// read streams the layer once through the analysers that lack facts.
func (j *job) read(ctx context.Context, f *flight, missing []plimsoll.Analyzer) ([]plimsoll.Facts, error) {
	s := j.server
	start := time.Now()
	body, err := j.source.Blob(ctx, j.repository, j.blob.Digest, j.blob.Size)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	session, err := analyze.New(ctx, missing)
	if err != nil {
		return nil, err
	}
	count := func(n int) {
		f.bytes.Add(int64(n))
		s.Metrics.bytes.Add(float64(n))
	}
	res, err := layer.Walk(ctx, body, j.blob, layer.Options{Limits: s.Limits, Count: count}, session)
	if err != nil {
		return nil, err
	}
	facts, err := session.Facts(j.blob, res)
	if err == nil {
		s.Metrics.seconds.Observe(time.Since(start).Seconds())
	}
	return facts, err
}

// keep writes the facts and tells how far they go.
func (j *job) keep(ctx context.Context, facts []plimsoll.Facts, tried bool) (outcome, error) {
	read := map[string]plimsoll.Coverage{}
	for _, f := range facts {
		if err := j.server.Store.KeepFacts(ctx, f); err != nil {
			return outcome{}, err
		}
		read[f.Analyzer.Name] = f.Read
	}
	if tried {
		if err := j.server.Store.ClearAttempts(ctx, j.blob.Digest); err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
			return outcome{}, err
		}
	}
	worst := plimsoll.WorstCoverage(maps.Values(read))
	j.server.Metrics.layers.WithLabelValues(string(worst.State)).Inc()
	return outcome{read: worst}, nil
}

// failed counts a try that says something about the layer: damaged bytes, or readers that ran out of time. After the third the
// layer is quarantined, which is a result. What only says something about the way to it (a registry that is down, a manifest
// that lies about the size) is not counted: it must not quarantine a layer that others share.
func (j *job) failed(ctx context.Context, err error) (outcome, error) {
	s := j.server
	s.Metrics.layers.WithLabelValues("error").Inc()
	if errors.Is(err, plimsoll.ErrLimit) {
		return outcome{read: plimsoll.Failed(err.Error())}, nil
	}
	if !errors.Is(err, layer.ErrDigest) && !errors.Is(err, analyze.ErrBudget) {
		return outcome{}, err
	}
	t, cerr := s.Store.CountAttempt(ctx, j.blob.Digest, reason(err))
	if cerr != nil {
		return outcome{}, fmt.Errorf("%w (the try could not be counted: %w)", err, cerr)
	}
	if t.Count >= plimsoll.MaxAttempts {
		s.Log.Warn("layer quarantined", "layer", j.blob.Digest, "reason", t.Reason)
		return outcome{read: plimsoll.Failed("quarantine: " + t.Reason)}, nil
	}
	return outcome{}, err
}

// reason is the attempt's: the cause without the layer's digest, so that equal causes group.
func reason(err error) string {
	for _, cause := range []error{layer.ErrDigest, analyze.ErrBudget} {
		if errors.Is(err, cause) {
			return cause.Error()
		}
	}
	return err.Error()
}
