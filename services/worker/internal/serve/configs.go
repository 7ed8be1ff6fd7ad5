package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/child"
	"github.com/plimsoll/plimsoll/services/worker/internal/resolve"
)

// configs makes the facts of image configurations.
type configs struct {
	server   *Server
	analyzer plimsoll.Analyzer
}

// configs is nil when no analyser that reads configurations is on.
func (s *Server) configs() resolve.Configs {
	i := slices.IndexFunc(s.Analyzers, func(a plimsoll.Analyzer) bool { return a.Name == plimsoll.AnalyzerSecrets })
	if i < 0 {
		return nil
	}
	return &configs{s, s.Analyzers[i]}
}

// Lacking implements resolve.Configs.
func (c *configs) Lacking(ctx context.Context, config plimsoll.Digest) (bool, error) {
	lacks, err := c.server.Store.Lacks(ctx, c.analyzer, config)
	if err != nil || !lacks {
		return false, err
	}
	tried, err := c.server.Store.Attempt(ctx, config)
	if err != nil && !errors.Is(err, plimsoll.ErrNotFound) {
		return false, err
	}
	return !tried.Quarantined(), nil
}

// Analyze implements resolve.Configs. The bytes are of that digest: the registry's client has seen to it. A child that dies over
// them is an error, which callers answer with another try, until it has died often enough: then the facts are missing for good.
func (c *configs) Analyze(ctx context.Context, config plimsoll.Digest, b []byte) error {
	s := c.server
	facts, err := s.Children.Run(ctx, child.Job{
		Kind: child.KindConfig, Digest: config, Size: int64(len(b)), Analyzers: []plimsoll.Analyzer{c.analyzer}, Limits: s.Limits, Key: s.Key,
	}, bytes.NewReader(b))
	var fault *child.Fault
	if errors.As(err, &fault) {
		t, cerr := s.Store.CountAttempt(ctx, config, c.analyzer.Name, fault.Error())
		s.Log.Warn("configuration failed", "config", config, "reason", fault.Error(), "end", fault.End, "count", t.Analyzers[c.analyzer.Name].Count)
		switch {
		case cerr != nil:
			return fmt.Errorf("%w (the try could not be counted: %w)", err, cerr)
		case t.Quarantined():
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("configuration %s: %w", config.Short(), err)
	}
	return s.Store.KeepFacts(ctx, config, toStore(facts)...)
}
