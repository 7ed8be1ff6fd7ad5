package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/plimsoll/plimsoll"
	workerv1 "github.com/plimsoll/plimsoll/proto/worker/v1"
	"github.com/plimsoll/plimsoll/services/internal/registry"
	"github.com/plimsoll/plimsoll/services/internal/trace"
	"github.com/plimsoll/plimsoll/services/worker/internal/assemble"
	"github.com/plimsoll/plimsoll/services/worker/internal/child"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
	"github.com/plimsoll/plimsoll/services/worker/internal/store"
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
	span, _ := trace.Of(stream.Context())
	f, joined, leave := s.flights.join(job.blob.Digest, r.GetPush(), func(ctx context.Context, f *flight) (outcome, error) {
		return job.run(span.In(ctx), f)
	})
	span.Set("plimsoll.layer", string(job.blob.Digest), "plimsoll.joined", strconv.FormatBool(joined))
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
	slot       *slot // that it reads in; nil before it has one
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
	if trying, _ := sound(missing, tried); len(trying) == 0 {
		return j.quarantined(missing, tried, nil), nil
	}
	held, err := hold(ctx, s.slots, f.urgent)
	if err != nil {
		return outcome{}, err
	}
	defer held.free()
	j.slot = held
	return j.try(ctx, f, missing, tried)
}

// try reads the layer for the analysers that lack facts and are not in quarantine. When one of them gets there at this very try,
// the others have the layer read again at once. So is a layer whose bytes are other ones than asked for, before that counts as a
// try: they may have been damaged on their way.
func (j *job) try(ctx context.Context, f *flight, missing []plimsoll.Analyzer, tried plimsoll.Attempt) (outcome, error) {
	for {
		trying, _ := sound(missing, tried)
		if len(trying) == 0 {
			return j.quarantined(missing, tried, nil), nil
		}
		facts, err := j.read(ctx, f, trying)
		if errors.Is(err, layer.ErrDigest) {
			s := j.server
			s.Log.Info("layer came damaged, reading it again", "layer", j.blob.Digest, "registry", j.source.Registry().ID)
			facts, err = j.read(ctx, f, trying)
		}
		if err == nil {
			return j.keep(ctx, facts, missing, tried)
		}
		out, now, err := j.failed(ctx, err)
		if err != nil || out.read.State != "" {
			return out, err
		}
		tried = now
	}
}

// sound splits analysers into those that may try and those in quarantine.
func sound(all []plimsoll.Analyzer, tried plimsoll.Attempt) (trying, held []plimsoll.Analyzer) {
	for _, a := range all {
		if tried.Analyzers[a.Name].Count >= plimsoll.MaxAttempts {
			held = append(held, a)
		} else {
			trying = append(trying, a)
		}
	}
	return trying, held
}

// quarantined is the outcome for a layer of which some analysers are not tried any more: partial as long as another one read it.
func (j *job) quarantined(missing []plimsoll.Analyzer, tried plimsoll.Attempt, read []plimsoll.Coverage) outcome {
	_, held := sound(missing, tried)
	for _, a := range held {
		read = append(read, plimsoll.Partial("quarantine: "+tried.Analyzers[a.Name].Reason))
	}
	return outcome{read: plimsoll.WorstCoverage(slices.Values(read))}
}

// read streams the layer once through a child with the analysers given.
func (j *job) read(ctx context.Context, f *flight, analyzers []plimsoll.Analyzer) ([]child.Facts, error) {
	s := j.server
	if err := s.Limits.Check(j.blob); err != nil {
		return nil, err
	}
	start := time.Now()
	// Until its bytes come, a layer only waits for the registry; from then on it has a child and keeps its slot.
	j.slot.lends = true
	body, err := j.source.Blob(registry.WithIdle(ctx, j.slot.idle), j.repository, j.blob.Digest, j.blob.Size)
	if err != nil {
		return nil, err
	}
	j.slot.lends = false
	defer func() { _ = body.Close() }()
	src := layer.NewSource(ctx, body, j.blob, func(n int) {
		f.bytes.Add(int64(n))
		s.Metrics.bytes.Add(float64(n))
	})
	_, span := trace.Start(ctx, "read layer", trace.Inside)
	facts, err := s.Children.Run(ctx, child.Job{
		Kind: child.KindLayer, Digest: j.blob.Digest, Size: j.blob.Size, Analyzers: analyzers, Limits: s.Limits, Key: s.Key,
	}, src)
	span.End(cmp.Or(src.Err(), err))
	if err := cmp.Or(src.Err(), err); err != nil {
		return nil, err
	}
	if err := src.Verify(); err != nil {
		return nil, err
	}
	s.Metrics.seconds.Observe(time.Since(start).Seconds())
	return facts, nil
}

// keep writes the facts and tells how far they go. Failed tries of the bytes, and of the analysers that did it after all, are
// forgotten.
func (j *job) keep(ctx context.Context, facts []child.Facts, missing []plimsoll.Analyzer, tried plimsoll.Attempt) (outcome, error) {
	var read []plimsoll.Coverage
	for _, f := range facts {
		read = append(read, f.Read)
	}
	if err := j.server.Store.KeepFacts(ctx, j.blob.Digest, toStore(facts)...); err != nil {
		return outcome{}, err
	}
	if _, held := sound(missing, tried); tried.Layer != "" && len(held) == 0 {
		if err := j.server.Store.ClearAttempts(ctx, j.blob.Digest); err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
			return outcome{}, err
		}
	}
	out := j.quarantined(missing, tried, read)
	j.server.Metrics.layers.WithLabelValues(string(out.read.State)).Inc()
	return out, nil
}

// failed counts a try that says something about the layer: damaged bytes, or a child that died over them. After the third the
// layer, or the analyser at work, is quarantined: a layer that is gives an outcome, an analyser that is gives the attempts as
// they are now, and the others go on. What only says something about the way to the layer (a registry that is down, a manifest
// that lies about the size) is not counted: it must not quarantine a layer that others share.
func (j *job) failed(ctx context.Context, err error) (outcome, plimsoll.Attempt, error) {
	s := j.server
	s.Metrics.layers.WithLabelValues("error").Inc()
	if errors.Is(err, plimsoll.ErrLimit) {
		return outcome{read: plimsoll.Failed(err.Error())}, plimsoll.Attempt{}, nil
	}
	var fault *child.Fault
	analyzer, reason, end := "", "", ""
	switch {
	case errors.As(err, &fault):
		analyzer, reason, end = fault.Analyzer, fault.Error(), fault.End
	case errors.Is(err, layer.ErrDigest):
		reason = layer.ErrDigest.Error()
	default:
		return outcome{}, plimsoll.Attempt{}, err
	}
	t, cerr := s.Store.CountAttempt(ctx, j.blob.Digest, analyzer, reason)
	if cerr != nil {
		return outcome{}, t, fmt.Errorf("%w (the try could not be counted: %w)", err, cerr)
	}
	s.Log.Warn("layer failed", "layer", j.blob.Digest, "analyzer", analyzer, "reason", reason, "end", end, "count", max(t.Count, t.Analyzers[analyzer].Count))
	switch {
	case t.Count >= plimsoll.MaxAttempts:
		return outcome{read: plimsoll.Failed("quarantine: " + t.Reason)}, t, nil
	case t.Analyzers[analyzer].Count >= plimsoll.MaxAttempts:
		return outcome{}, t, nil
	}
	return outcome{}, t, err
}

// toStore are the facts that a child made, as the store takes them.
func toStore(facts []child.Facts) []store.Sealed {
	out := make([]store.Sealed, len(facts))
	for i, f := range facts {
		out[i] = store.Sealed{Analyzer: f.Analyzer, Bytes: f.Sealed, Sum: f.Sum}
	}
	return out
}
