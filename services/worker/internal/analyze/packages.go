package analyze

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/plimsoll/plimsoll"
)

// packages finds the package databases and package files of a layer.
type packages struct {
	readers []reader
	facts   plimsoll.PackageFacts
	count   int            // packages so far
	owned   owners         // which files OS packages own
	links   []hardlink     // seen by names that a reader wants
	read    map[string]int // path to the index of the first source made from it
	wal     map[string]int64
	buf     bytes.Buffer // reused from file to file
	spent   time.Duration
	bytes   int64
	reason  string              // a bound of the layer that was hit
	formats map[string]struct{} // told to be unsupported
}

// hardlink is a second name of a file, where a reader wants that name.
type hardlink struct{ path, target, reader string }

func newPackages() (*packages, error) {
	rs, err := newReaders()
	if err != nil {
		return nil, err
	}
	return &packages{readers: rs, read: map[string]int{}, wal: map[string]int64{}, formats: map[string]struct{}{}}, nil
}

func (p *packages) ignore(string) {}

func (p *packages) visit(ctx context.Context, path string, h *tar.Header, body io.Reader) error {
	if path == "" {
		return nil
	}
	f := &file{path: path, info: h.FileInfo()}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		p.bytes += h.Size
		return p.file(ctx, f, body)
	case tar.TypeLink:
		p.link(f, h.Linkname)
	}
	return nil
}

// link notes a hard link whose own name a reader wants: the file itself may have gone by under a name that none wanted.
func (p *packages) link(f *file, target string) {
	for i := range p.readers {
		if p.readers[i].named && p.readers[i].wants(f) && len(p.links) < maxSources {
			p.links = append(p.links, hardlink{f.path, cleanLink(target), p.readers[i].name})
			return
		}
	}
}

// file hands one file to the readers that want it. An error is the walk's end: the bytes did not come, or the budget is spent.
func (p *packages) file(ctx context.Context, f *file, body io.Reader) error {
	switch {
	case isRelease(f.path):
		return p.release(f, body)
	case isFileList(f.path):
		return p.fileList(f, body)
	case isWAL(f.path):
		p.wal[f.path] = f.size()
		return nil
	}
	for i := range p.readers {
		r := &p.readers[i]
		if !r.wants(f) {
			continue
		}
		return p.extract(ctx, r, f, body)
	}
	return nil
}

// unsupported keeps one source for each format of packages that nothing reads.
func (p *packages) unsupported(r *reader, f *file) {
	what := unreadFormat(f.path)
	if _, told := p.formats[what]; !told {
		p.formats[what] = struct{}{}
		p.add(r, f, nil, "unsupported: "+what)
	}
}

// extract runs one reader over one file and keeps what it found.
func (p *packages) extract(ctx context.Context, r *reader, f *file, body io.Reader) error {
	switch {
	case r.streams:
		return p.binary(ctx, r, f, body)
	case r.read == nil:
		p.unsupported(r, f)
		return nil
	}
	if f.size() > r.limit {
		p.add(r, f, nil, fmt.Sprintf("limit reached: file of more than %d MiB", r.limit>>20))
		return nil
	}
	if err := p.load(f, body, r.limit); err != nil {
		return broken(err)
	}
	return p.run(ctx, r, f)
}

// run calls the reader within the layer's budget.
func (p *packages) run(ctx context.Context, r *reader, f *file) error {
	left := budgetBase + time.Duration(p.bytes)*budgetPerByte - p.spent
	limited, cancel := context.WithTimeoutCause(ctx, left, ErrBudget)
	defer cancel()
	start := time.Now()
	found, reason := r.call(limited, f)
	p.spent += time.Since(start)
	if limited.Err() != nil {
		return fmt.Errorf("%s: %w", r.name, context.Cause(limited))
	}
	p.add(r, f, found, reason)
	if r.name == NameApk {
		p.owned.keep("", f.data)
	}
	return nil
}

// load buffers a file. What the header says of its size is not believed: the buffer grows with the bytes that come.
func (p *packages) load(f *file, body io.Reader, limit int64) error {
	if f.data != nil {
		return nil
	}
	p.buf.Reset()
	if _, err := p.buf.ReadFrom(io.LimitReader(body, limit)); err != nil {
		return err
	}
	f.data = p.buf.Bytes()
	return nil
}

// broken drops the error of a body: the tar reader meets it again at its next entry, and tells it there once.
func broken(error) error { return nil }

// add keeps a source: packages, or the reason why there are none. A file that is read whole and holds nothing leaves no trace.
func (p *packages) add(r *reader, f *file, found []plimsoll.Package, reason string) {
	if len(found) == 0 && reason == "" && !r.database {
		p.seen(f.path)
		return
	}
	if p.count+len(found) > maxPerLayer || len(p.facts.Sources) >= maxSources {
		p.reason = fmt.Sprintf("limit reached: more than %d packages or %d package files in a layer", maxPerLayer, maxSources)
		return
	}
	p.count += len(found)
	read := plimsoll.Complete()
	switch {
	case r.read == nil && reason != "":
		read = plimsoll.Partial(reason)
	case reason != "":
		read = plimsoll.Partial(r.name + ": " + reason)
	}
	if found == nil {
		found = []plimsoll.Package{}
	}
	p.seen(f.path)
	name := r.name
	if len(found) > 0 {
		name = found[0].Extractor
	}
	p.facts.Sources = append(p.facts.Sources, plimsoll.PackageSource{
		Path: f.path, Extractor: name, Database: r.database, Packages: found, Read: read,
	})
}

// seen remembers that a file was handed to a reader.
func (p *packages) seen(path string) {
	if _, ok := p.read[path]; !ok {
		p.read[path] = len(p.facts.Sources)
	}
}

func (p *packages) finish(_ context.Context, f *plimsoll.Facts) error {
	if f.Read.State == plimsoll.ReadFailed {
		return nil
	}
	p.missedLinks()
	p.unmerged()
	p.owned.mark(p.facts.Sources)
	if p.owned.reason != "" {
		worse(f, p.owned.reason)
	}
	if p.reason != "" {
		worse(f, p.reason)
	}
	if p.facts.Sources == nil {
		p.facts.Sources = []plimsoll.PackageSource{}
	}
	f.Packages = &p.facts
	return nil
}

// missedLinks adds a partial source for each package file that is a hard link to a file no reader saw, because its first name
// told nothing (HOSTILE: package database as a hard link).
func (p *packages) missedLinks() {
	for _, l := range p.links {
		if _, ok := p.read[l.target]; ok {
			continue
		}
		for i := range p.readers {
			if r := &p.readers[i]; r.name == l.reader {
				p.add(r, &file{path: l.path}, nil, "hard link to a file that was not read")
			}
		}
	}
}
