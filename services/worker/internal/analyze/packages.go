package analyze

import (
	"context"
	"fmt"

	"github.com/plimsoll/plimsoll"
)

// packages finds the package databases and package files of a layer.
type packages struct {
	ctx     context.Context //nolint:containedctx // lives as long as one walk
	stage   *Stage
	readers []reader
	facts   plimsoll.PackageFacts
	count   int            // packages so far
	links   []hardlink     // seen by names that a reader wants
	read    map[string]int // path to the index of the first source made from it
	wal     map[string]int64
	buf     buffer              // reused from file to file
	reason  string              // a bound of the layer that was hit
	formats map[string]struct{} // told to be unsupported
	// lists takes each whole database that tells which files packages own, or why it could not be had; nil: nobody asks.
	lists func(f *file, reason string)
}

// hardlink is a second name of a file, where a reader wants that name.
type hardlink struct {
	*file
	target string
	reader *reader
}

func newPackages(ctx context.Context, stage *Stage) (*packages, error) {
	rs, err := newReaders()
	if err != nil {
		return nil, err
	}
	for i := range rs {
		rs[i].stage = stageNumber(plimsoll.AnalyzerPackages + " " + rs[i].name)
	}
	return &packages{
		ctx: ctx, stage: stage, readers: rs, read: map[string]int{}, wal: map[string]int64{}, formats: map[string]struct{}{},
	}, nil
}

func (p *packages) ignore(string) {}

func (p *packages) visit(e *entry) sink {
	switch e.Type {
	case plimsoll.EntryFile:
		return p.file(e)
	case plimsoll.EntryHardlink:
		if isPlain(e.Path, 0) {
			return nil
		}
		p.link(&file{path: e.Path, entry: e.number, info: e.header.Info()}, e.Link)
	}
	return nil
}

// link notes a hard link whose own name a reader wants: the file itself may have gone by under a name that none wanted.
func (p *packages) link(f *file, target string) {
	for i := range p.readers {
		if p.readers[i].named && p.readers[i].wants(f) && len(p.links) < maxSources {
			p.links = append(p.links, hardlink{f, target, &p.readers[i]})
			return
		}
	}
}

// file gives the sink of the reader that wants a file.
func (p *packages) file(e *entry) sink {
	if isPlain(e.Path, e.Mode) {
		return nil
	}
	f := &file{path: e.Path, entry: e.number, info: e.header.Info()}
	switch {
	case isRelease(f.path):
		return p.collect(f, maxRelease, p.release)
	case isWAL(f.path):
		p.wal[f.path] = f.size()
		return nil
	}
	for i := range p.readers {
		if r := &p.readers[i]; r.wants(f) {
			return p.extract(r, f, e)
		}
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

// extract gives the sink that runs one reader over one file and keeps what it found.
func (p *packages) extract(r *reader, f *file, e *entry) sink {
	switch {
	case r.streams:
		return p.binary(r, f, e)
	case r.read == nil:
		p.unsupported(r, f)
		return nil
	}
	return p.whole(r, f)
}

// whole hands the whole content of a file to a reader, from memory.
func (p *packages) whole(r *reader, f *file) sink {
	if f.size() > r.limit {
		p.lost(r, f, fmt.Sprintf("limit reached: file of more than %d MiB", r.limit>>20))
		return nil
	}
	k := p.collect(f, r.limit, func(f *file) { p.run(r, f) })
	k.broken = func(why string) { p.lost(r, f, why) }
	return k
}

// lost tells why a file was not read.
func (p *packages) lost(r *reader, f *file, why string) {
	p.add(r, f, nil, why)
	p.handOn(r, f, why)
}

func (p *packages) handOn(r *reader, f *file, why string) {
	if p.lists != nil && isWholeList(listFormat(f.path)) {
		p.lists(f, why)
	}
}

// run calls the reader.
func (p *packages) run(r *reader, f *file) {
	before := p.stage.load()
	p.stage.store(r.stage)
	found, reason := r.call(p.ctx, f)
	p.stage.store(before)
	p.add(r, f, found, reason)
	p.handOn(r, f, "")
}

// collect buffers a file and then calls use with it.
func (p *packages) collect(f *file, limit int64, use func(*file)) *collector {
	p.buf.reset(min(f.size(), limit))
	return &collector{buf: &p.buf, limit: limit, f: f, use: use}
}

// collector is a sink that keeps the content.
type collector struct {
	buf    *buffer
	limit  int64
	f      *file
	use    func(*file)
	broken func(why string) // instead of use, when the content is cut short by a limit; may be nil
}

func (c *collector) write(b []byte) {
	c.buf.write(b[:min(int64(len(b)), c.limit-int64(len(c.buf.bytes)))])
}

func (c *collector) close(short string) {
	switch {
	case short == "":
		c.f.data = c.buf.bytes
		c.use(c.f)
	case short != cutShort && c.broken != nil:
		c.broken(short)
	}
}

// buffer grows with the bytes that come; what the header says of their number is believed only when there are many already.
type buffer struct {
	bytes []byte
	said  int
}

// trusted is how much must have come before a buffer of the size that the header gives is allocated.
const trusted = 1 << 20

func (b *buffer) reset(said int64) { b.bytes, b.said = b.bytes[:0], int(said) }

func (b *buffer) write(p []byte) {
	if need := len(b.bytes) + len(p); need > cap(b.bytes) && need > trusted && need <= b.said {
		b.bytes = append(make([]byte, 0, b.said), b.bytes...)
	}
	b.bytes = append(b.bytes, p...)
}

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
		Path: f.path, Entry: f.entry, Extractor: name, Database: r.database, Packages: found, Read: read,
	})
}

// seen remembers that a file was handed to a reader.
func (p *packages) seen(path string) {
	if _, ok := p.read[path]; !ok {
		p.read[path] = len(p.facts.Sources)
	}
}

func (p *packages) finish(f *plimsoll.Facts) {
	if f.Read.State == plimsoll.ReadFailed {
		return
	}
	p.missedLinks()
	p.unmerged()
	if p.reason != "" {
		worse(f, p.reason)
	}
	if p.facts.Sources == nil {
		p.facts.Sources = []plimsoll.PackageSource{}
	}
	f.Packages = &p.facts
}

// missedLinks adds a partial source for each package file that is a hard link to a file no reader saw, because its first name
// told nothing (HOSTILE: package database as a hard link).
func (p *packages) missedLinks() {
	for _, l := range p.links {
		if _, ok := p.read[l.target]; !ok {
			p.add(l.reader, l.file, nil, "hard link to a file that was not read")
		}
	}
}
