package analyze

import (
	"context"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
	"github.com/plimsoll/plimsoll/services/worker/internal/secrets"
)

// Secrets is the analyser of that name for a bucket whose fingerprint key is given: its hash is part of the configuration, so
// that facts of two buckets never mix. Its version moves with that of the rules too.
func Secrets(lim layer.Limits, key []byte) (plimsoll.Analyzer, error) {
	finder, err := secrets.New(key)
	if err != nil {
		return plimsoll.Analyzer{}, err
	}
	return plimsoll.Analyzer{
		Name: plimsoll.AnalyzerSecrets, Version: secretsVersion,
		Config: configHash(lim.String(), fmt.Sprint(secrets.Version, secrets.MaxHits, secrets.MaxLayerHits), strings.Join(finder.Rules(), " "), "key "+configHash(string(key))),
	}, nil
}

// secretsAnalyzer searches text files for credentials.
type secretsAnalyzer struct {
	ctx    context.Context //nolint:containedctx // lives as long as one walk
	finder *secrets.Finder
	stream *secrets.Stream
	facts  plimsoll.SecretFacts
	count  int
	reason string // a bound of the layer that was hit
	file   secretFile
}

func newSecrets(ctx context.Context, key []byte) (*secretsAnalyzer, error) {
	finder, err := secrets.New(key)
	if err != nil {
		return nil, err
	}
	x := &secretsAnalyzer{ctx: ctx, finder: finder, stream: secrets.NewStream(finder)}
	x.file.analyzer = x
	return x, nil
}

func (x *secretsAnalyzer) visit(e *entry) sink {
	if e.Type != plimsoll.EntryFile || x.reason != "" || !secrets.IsText(e.head) {
		return nil
	}
	x.file.path, x.file.entry = e.Path, e.number
	return &x.file
}

func (x *secretsAnalyzer) ignore(string) {}

// secretFile is the sink for one text file.
type secretFile struct {
	analyzer *secretsAnalyzer
	path     string
	entry    int
}

func (f *secretFile) write(p []byte) {
	_ = f.analyzer.stream.Write(f.analyzer.ctx, p) // an ended context ends the walk
}

func (f *secretFile) close(short string) {
	x := f.analyzer
	hits, reason, err := x.stream.Close(x.ctx)
	if err != nil {
		return
	}
	if short != "" && short != cutShort {
		reason = short
	}
	found := make([]plimsoll.Secret, len(hits))
	for i, h := range hits {
		found[i] = plimsoll.Secret{Rule: h.Rule, Line: h.Line, Fingerprint: h.Fingerprint, Last4: h.Last4}
	}
	x.add(f.path, f.entry, found, reason)
}

// add keeps what one file holds; most hold nothing and leave no trace.
func (x *secretsAnalyzer) add(path string, entry int, found []plimsoll.Secret, reason string) {
	if room := secrets.MaxLayerHits - x.count; len(found) > room {
		found = found[:room]
		x.reason = fmt.Sprintf("limit reached: more than %d secrets in a layer", secrets.MaxLayerHits)
	}
	if len(found) == 0 && reason == "" {
		return
	}
	x.count += len(found)
	read := plimsoll.Complete()
	if reason != "" {
		read = plimsoll.Partial(reason)
	}
	x.facts.Files = append(x.facts.Files, plimsoll.SecretFile{Path: path, Entry: entry, Secrets: found, Read: read})
}

// configuration searches an image configuration: each variable, label and step of its history is a place.
func (x *secretsAnalyzer) configuration(config []byte) {
	hits, reason, err := x.finder.Config(x.ctx, config)
	if err != nil {
		return // an ended context ends the analysis
	}
	for _, h := range hits {
		found := []plimsoll.Secret{{Rule: h.Rule, Line: h.Line, Fingerprint: h.Fingerprint, Last4: h.Last4}}
		if n := len(x.facts.Files); n > 0 && x.facts.Files[n-1].Path == h.Path {
			x.facts.Files[n-1].Secrets = append(x.facts.Files[n-1].Secrets, found...)
			continue
		}
		x.add(h.Path, 0, found, "")
	}
	if reason != "" {
		x.reason = reason
	}
}

func (x *secretsAnalyzer) finish(f *plimsoll.Facts) {
	if f.Read.State == plimsoll.ReadFailed {
		return
	}
	if x.reason != "" {
		worse(f, x.reason)
	}
	if x.facts.Files == nil {
		x.facts.Files = []plimsoll.SecretFile{}
	}
	f.Secrets = &x.facts
}
