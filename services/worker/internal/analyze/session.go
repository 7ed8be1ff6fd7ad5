package analyze

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
)

// ErrBudget is returned when reading packages took longer than a layer's budget. It says nothing about the bytes: the layer
// is tried again.
var ErrBudget = errors.New("time budget of the layer is spent")

// analyzer is one reader of layers, fed with all entries in their order.
type analyzer interface {
	visit(ctx context.Context, path string, h *tar.Header, body io.Reader) error
	ignore(reason string)
	// finish fills in the analyser's own part of the facts, whose Read tells how far the bytes themselves went.
	finish(ctx context.Context, f *plimsoll.Facts) error
}

// Session analyses one layer in one pass: it is the visitor of that layer's walk. Use it once, from one goroutine.
type Session struct {
	ctx     context.Context //nolint:containedctx // a session lives as long as one walk, and a visitor has no context of its own
	names   []plimsoll.Analyzer
	readers []analyzer
}

// New makes a session of the given analysers; an unknown name is an error (ErrInvalid).
func New(ctx context.Context, analyzers []plimsoll.Analyzer) (*Session, error) {
	s := &Session{ctx: ctx, names: analyzers}
	for _, a := range analyzers {
		switch a.Name {
		case plimsoll.AnalyzerTree:
			s.readers = append(s.readers, &tree{})
		case plimsoll.AnalyzerPackages:
			p, err := newPackages()
			if err != nil {
				return nil, err
			}
			s.readers = append(s.readers, p)
		default:
			return nil, fmt.Errorf("analyser %q: %w: this worker has none of that name", a.Name, plimsoll.ErrInvalid)
		}
	}
	return s, nil
}

// Visit implements layer.Visitor. Only one analyser reads bodies, so they need not be kept.
func (s *Session) Visit(path string, h *tar.Header, body io.Reader) error {
	path = printable(path)
	for _, r := range s.readers {
		if err := r.visit(s.ctx, path, h, body); err != nil {
			return err
		}
	}
	return nil
}

// printable makes a name valid UTF-8, as JSON needs it, such that different names stay different: each wrong byte becomes U+FFFD
// and its two hexadecimal digits. Link targets go the same way, so they still meet.
func printable(name string) string {
	if utf8.ValidString(name) {
		return name
	}
	var b strings.Builder
	for i, r := range name {
		if r != utf8.RuneError {
			b.WriteRune(r)
			continue
		}
		if _, n := utf8.DecodeRuneInString(name[i:]); n > 1 {
			b.WriteRune(r) // U+FFFD itself
			continue
		}
		fmt.Fprintf(&b, "\ufffd%02x", name[i])
	}
	return b.String()
}

// Ignore implements layer.Visitor.
func (s *Session) Ignore(reason string) {
	for _, r := range s.readers {
		r.ignore(reason)
	}
}

// Facts are what the walk gave, one value an analyser, in the order given to New.
func (s *Session) Facts(blob layer.Blob, res layer.Result) ([]plimsoll.Facts, error) {
	all := make([]plimsoll.Facts, len(s.readers))
	for i, r := range s.readers {
		all[i] = plimsoll.Facts{
			Layer: blob.Digest, Analyzer: s.names[i], DiffID: res.DiffID,
			Size: res.Size, Inflated: res.Inflated, Read: res.Read,
		}
		if err := r.finish(s.ctx, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// worse lowers f.Read to partial with the reason, unless it is short already: the first cause is the one to tell.
func worse(f *plimsoll.Facts, reason string) {
	if !f.Read.Short() {
		f.Read = plimsoll.Partial(reason)
	}
}
