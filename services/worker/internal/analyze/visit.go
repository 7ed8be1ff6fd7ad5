package analyze

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/worker/internal/layer"
)

// entry is one entry of the tar as analysers see it. It is valid during the call alone.
type entry struct {
	plimsoll.TreeEntry     // clean and printable
	number             int // index among the layer's tree entries
	header             *layer.Header
	head               []byte // of a file: its first bytes, up to headBytes; all of it when it is shorter
}

// analyzer is one reader of layers, fed with all entries in their order.
type analyzer interface {
	// visit may give a sink that takes the content of a file.
	visit(e *entry) sink
	// ignore is told of entries that name nothing inside the image.
	ignore(reason string)
	// finish fills in the analyser's own part of the facts, whose Read tells how far the bytes themselves went.
	finish(f *plimsoll.Facts)
}

// sink takes the content of one file.
type sink interface {
	// write takes the next bytes, which it must not keep.
	write(p []byte)
	// close ends the content. short is empty when all of it came; cutShort when the tar broke off, which the walk tells once
	// for all; else a limit.
	close(short string)
}

const (
	headBytes = 4 << 10  // what tells a file's kind
	pieceSize = 64 << 10 // of a file, for its readers: it stays in the processor's cache from one to the next
	cutShort  = "the tar ends within the file"
)

// maxSparse bounds a sparse file's content: a few bytes of tar can stand for terabytes of zeros.
const maxSparse = 64 << 20

// Session analyses one layer in one pass: it is the visitor of that layer's walk. Use it once, from one goroutine.
type Session struct {
	count   int // of tree entries so far
	names   []plimsoll.Analyzer
	readers []analyzer
	numbers []Stage // of each reader
	stage   *Stage
	entry   entry
	piece   []byte
	sinks   []sink
	whose   []Stage // of each sink
}

// New makes a session of the given analysers; an unknown name is an error (ErrInvalid).
func New(ctx context.Context, analyzers []plimsoll.Analyzer, o Options) (*Session, error) {
	s := &Session{names: analyzers, stage: o.Stage, piece: make([]byte, pieceSize)}
	if s.stage == nil {
		s.stage = new(Stage)
	}
	for _, a := range analyzers {
		r, err := o.reader(ctx, a.Name, s.stage)
		if err != nil {
			return nil, err
		}
		s.readers, s.numbers = append(s.readers, r), append(s.numbers, stageNumber(a.Name))
	}
	s.share()
	return s, nil
}

// share lets the packages analyser hand databases on to the files analyser: they are large, and buffered once.
func (s *Session) share() {
	var x *files
	for _, r := range s.readers {
		if f, ok := r.(*files); ok {
			x = f
		}
	}
	for _, r := range s.readers {
		if p, ok := r.(*packages); ok && x != nil {
			p.lists, x.shared = x.handed, true
		}
	}
}

// Options are what a session needs besides the analysers' names.
type Options struct {
	// Stage is where the session tells what it is doing; nil: nowhere.
	Stage *Stage
	// Key of the fingerprints of secrets: 32 random bytes of the bucket. Only the secrets analyser needs it.
	Key []byte
}

func (o Options) reader(ctx context.Context, name string, stage *Stage) (analyzer, error) {
	switch name {
	case plimsoll.AnalyzerTree:
		return &tree{}, nil
	case plimsoll.AnalyzerPackages:
		return newPackages(ctx, stage)
	case plimsoll.AnalyzerFiles:
		return newFiles(stage), nil
	case plimsoll.AnalyzerSecrets:
		return newSecrets(ctx, o.Key)
	}
	return nil, fmt.Errorf("analyser %q: %w: this worker has none of that name", name, plimsoll.ErrInvalid)
}

// Visit implements layer.Visitor. The content is read once, piece by piece, for all analysers that want it.
func (s *Session) Visit(path string, h *layer.Header, body io.Reader) error {
	te, ignored := treeEntry(printable(path), h)
	if te.Type == "" {
		if ignored != "" {
			s.Ignore(ignored)
		}
		return nil
	}
	s.entry = entry{TreeEntry: te, number: s.count, header: h}
	s.count++
	var n int
	var err error
	if te.Type == plimsoll.EntryFile && h.Size > 0 {
		n, err = fill(body, s.piece)
		s.entry.head = s.piece[:min(n, headBytes)]
	}
	s.sinks, s.whose = s.sinks[:0], s.whose[:0]
	for i, r := range s.readers {
		s.stage.store(s.numbers[i])
		if k := r.visit(&s.entry); k != nil {
			s.sinks, s.whose = append(s.sinks, k), append(s.whose, s.numbers[i])
		}
	}
	if len(s.sinks) > 0 {
		s.pour(body, n, err)
	}
	return nil
}

// pour gives the sinks the first piece, n bytes that were read already, and then the others.
func (s *Session) pour(body io.Reader, n int, err error) {
	total, short := int64(n), ""
	for {
		for i, k := range s.sinks {
			s.stage.store(s.whose[i])
			k.write(s.piece[:n])
		}
		if err != nil {
			break
		}
		if total > maxSparse && s.entry.header.Sparse {
			short = fmt.Sprintf("limit reached: sparse file of more than %d MiB", maxSparse>>20)
			break
		}
		n, err = fill(body, s.piece)
		total += int64(n)
	}
	if short == "" && !errors.Is(err, io.EOF) {
		short = cutShort
	}
	for i, k := range s.sinks {
		s.stage.store(s.whose[i])
		k.close(short)
	}
}

// fill reads until p is full; io.EOF stands for the content's end, any other error for a tar that breaks off.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
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

// Configuration analyses an image configuration, the raw bytes of a blob, instead of a layer: the secrets analyser alone does.
func (s *Session) Configuration(blob layer.Blob, config []byte) []plimsoll.Facts {
	all := []plimsoll.Facts{}
	for i, r := range s.readers {
		if x, ok := r.(*secretsAnalyzer); ok {
			s.stage.store(s.numbers[i])
			f := plimsoll.Facts{Layer: blob.Digest, Analyzer: s.names[i], Size: int64(len(config)), Read: plimsoll.Complete()}
			x.configuration(config)
			x.finish(&f)
			all = append(all, f)
		}
	}
	return all
}

// Facts are what the walk gave, one value an analyser, in the order given to New.
func (s *Session) Facts(blob layer.Blob, res layer.Result) []plimsoll.Facts {
	all := make([]plimsoll.Facts, len(s.readers))
	for i, r := range s.readers {
		s.stage.store(s.numbers[i])
		all[i] = plimsoll.Facts{
			Layer: blob.Digest, Analyzer: s.names[i], DiffID: res.DiffID,
			Size: res.Size, Inflated: res.Inflated, Read: res.Read,
		}
		r.finish(&all[i])
	}
	return all
}

// worse lowers f.Read to partial with the reason, unless it is short already: the first cause is the one to tell.
func worse(f *plimsoll.Facts, reason string) {
	if !f.Read.Short() {
		f.Read = plimsoll.Partial(reason)
	}
}
