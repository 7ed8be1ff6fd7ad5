package analyze

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"path"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// lineReader reads one list line by line. A line it cannot make sense of is told by its list, and passed over.
type lineReader interface {
	line(b []byte) // without its end, valid during the call
	end()          // of the lines
}

// lineSink cuts content into lines.
type lineSink struct {
	list *list
	each lineReader
	rest []byte // of a line, whose end has not come
	long bool   // the line is too long, and passed over
}

func (s *lineSink) write(b []byte) {
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			s.keep(b)
			return
		}
		if s.long || len(s.rest) > 0 {
			s.keep(b[:i])
			s.flush()
		} else {
			s.line(b[:i])
		}
		b = b[i+1:]
	}
}

func (s *lineSink) keep(b []byte) {
	if s.long = s.long || len(s.rest)+len(b) > maxListLine; s.long {
		b, s.rest = nil, s.rest[:0]
	}
	s.rest = append(s.rest, b...)
}

func (s *lineSink) flush() {
	if s.long {
		s.list.fail(reasonMalformed)
	} else {
		s.line(s.rest)
	}
	s.rest, s.long = s.rest[:0], false
}

func (s *lineSink) line(b []byte) { s.each.line(bytes.TrimSuffix(b, []byte("\r"))) }

func (s *lineSink) close(short string) {
	if s.long || len(s.rest) > 0 {
		s.flush()
	}
	s.each.end()
	if short != "" {
		s.list.fail(short)
	}
	s.list.end()
}

// dpkgPaths reads info/<package>.list: an absolute path a line, folders before what they hold. Folders are left out: what can be
// told of one is that other paths go on from it.
type dpkgPaths struct {
	list *list
	last string // not kept yet
}

func (d *dpkgPaths) line(b []byte) {
	if len(b) == 0 || b[0] != '/' {
		d.list.fail(reasonMalformed)
		return
	}
	p := ownedPath(b)
	if p == "" {
		if !bytes.Equal(b, []byte("/.")) && !bytes.Equal(b, []byte("/")) {
			d.list.fail(reasonMalformed)
		}
		return
	}
	if d.last != "" && !(strings.HasPrefix(p, d.last) && len(p) > len(d.last) && p[len(d.last)] == '/') {
		d.end()
	}
	d.last = p
}

func (d *dpkgPaths) end() {
	if d.last != "" {
		d.list.add(plimsoll.OwnedFile{Path: d.last})
	}
	d.last = ""
}

// dpkgSums reads info/<package>.md5sums: the sum, two blanks and the relative path.
type dpkgSums struct{ list *list }

func (d dpkgSums) line(b []byte) {
	escaped := len(b) > 0 && b[0] == '\\' // md5sum(1): the path has escapes
	if escaped {
		b = b[1:]
	}
	const digits = 32
	if len(b) == 0 {
		return
	}
	if len(b) < digits+3 || b[digits] != ' ' {
		d.list.fail(reasonMalformed)
		return
	}
	name := b[digits+2:]
	if escaped {
		name = bytes.ReplaceAll(bytes.ReplaceAll(name, []byte(`\n`), []byte("\n")), []byte(`\\`), []byte(`\`))
	}
	sum, ok := unhex(b[:digits])
	p := ownedPath(name)
	if !ok || p == "" {
		d.list.fail(reasonMalformed)
		return
	}
	d.list.add(plimsoll.OwnedFile{Path: p, Sum: sum})
}

func (d dpkgSums) end() {}

// unhex decodes lower- or upper-case hexadecimal.
func unhex(b []byte) ([]byte, bool) {
	sum := make([]byte, hex.DecodedLen(len(b)))
	_, err := hex.Decode(sum, b)
	return sum, err == nil
}

// dpkgConffiles reads the Conffiles of each record of dpkg's status (deb-control(5); dpkg, status file): " path md5 [obsolete]".
// Everything else of the records is the packages analyser's.
type dpkgConffiles struct {
	list *list
	name string
	in   bool // within Conffiles
}

func (d *dpkgConffiles) line(b []byte) {
	switch {
	case len(b) == 0:
		d.name, d.in = "", false
	case b[0] == ' ' || b[0] == '\t':
		if d.in {
			d.conffile(b)
		}
	default:
		d.in = false
		key, value, _ := bytes.Cut(b, []byte(":"))
		switch {
		case bytes.EqualFold(key, []byte("Package")):
			d.name = fieldText(value)
		case bytes.EqualFold(key, []byte("Conffiles")):
			d.in = true
			d.list.own(d.name)
		}
	}
}

func (d *dpkgConffiles) conffile(b []byte) {
	fields := bytes.Fields(b)
	if len(fields) < 2 {
		d.list.fail(reasonMalformed)
		return
	}
	p := ownedPath(fields[0])
	if p == "" {
		d.list.fail(reasonMalformed)
		return
	}
	sum, _ := unhex(fields[1]) // "newconffile" stands for none yet
	if len(fields[1]) != 32 {
		sum = nil
	}
	d.list.add(plimsoll.OwnedFile{Path: p, Sum: sum, Config: true})
}

func (d *dpkgConffiles) end() {}

// fieldText is a name, cut where none is so long.
func fieldText(b []byte) string {
	b = bytes.TrimSpace(b)
	return strings.ToValidUTF8(string(b[:min(len(b), maxField)]), "\ufffd")
}

// dpkgDiversions reads dpkg's diversions: three lines each, the path, where it goes, and the package that asked, ":" for none.
type dpkgDiversions struct {
	list *list
	have [][]byte
}

func (d *dpkgDiversions) line(b []byte) {
	if d.have = append(d.have, bytes.Clone(b)); len(d.have) < 3 {
		return
	}
	v := plimsoll.Diversion{From: ownedPath(d.have[0]), To: ownedPath(d.have[1])}
	if by := fieldText(d.have[2]); by != ":" {
		v.By = dpkgName(by)
	}
	d.have = d.have[:0]
	if v.From == "" || v.To == "" {
		d.list.fail(reasonMalformed)
		return
	}
	if reason := d.list.x.owned.take(len(v.From) + len(v.To) + len(v.By)); reason != "" {
		d.list.fail(reason)
		return
	}
	d.list.list.Diversions = append(d.list.list.Diversions, v)
}

func (d *dpkgDiversions) end() {
	if len(d.have) > 0 {
		d.list.fail(reasonMalformed)
	}
}

// apkFiles reads an apk database (apk-tools, "installed" format): P: a package, F: a folder, R: a file in it, Z: its sum. What
// stands in etc is configuration: apk keeps changes there (apk-protected_paths(5)).
type apkFiles struct {
	list   *list
	folder string
	file   plimsoll.OwnedFile // not kept yet
}

func (a *apkFiles) line(b []byte) {
	if len(b) == 0 {
		a.end()
		a.folder = ""
		return
	}
	if len(b) < 2 || b[1] != ':' {
		a.list.fail(reasonMalformed)
		return
	}
	switch value := b[2:]; b[0] {
	case 'P':
		a.end()
		a.list.own(fieldText(value))
		a.folder = ""
	case 'F':
		a.end()
		a.folder = string(value[:min(len(value), maxField)])
	case 'R':
		a.end()
		a.file.Path = ownedPath(append([]byte(a.folder+"/"), value...))
		a.file.Config = strings.HasPrefix(a.file.Path, "etc/")
		if a.file.Path == "" || len(value) == 0 {
			a.file.Path = ""
			a.list.fail(reasonMalformed)
		}
	case 'Z':
		a.sum(value)
	}
}

// sum reads "Q1" and sha1, or "Q2" and sha256, in base64.
func (a *apkFiles) sum(b []byte) {
	sum := make([]byte, base64.StdEncoding.DecodedLen(len(b)))
	n := 0
	size := map[string]int{"Q1": 20, "Q2": 32}[string(b[:min(2, len(b))])]
	if size > 0 {
		n, _ = base64.StdEncoding.Decode(sum, b[2:])
	}
	if n != size || size == 0 {
		a.list.fail(reasonMalformed)
		return
	}
	a.file.Sum = sum[:n]
}

func (a *apkFiles) end() {
	if a.file.Path != "" {
		a.list.add(a.file)
	}
	a.file = plimsoll.OwnedFile{}
}

// OwnerPython stands before the name of a Python distribution that owns files.
const OwnerPython = "pypi:"

// pythonRecord reads RECORD of an installed Python distribution ("Recording installed projects", the core specification): path,
// sum and size by commas, the path relative to the folder above or absolute. It tells of what pip put into bin, too.
type pythonRecord struct {
	list *list
	base string
}

func newPythonRecord(l *list) *pythonRecord {
	folder := path.Dir(l.list.Path)
	name, _, _ := strings.Cut(strings.TrimSuffix(path.Base(folder), distInfo), "-")
	l.owner = OwnerPython + name
	return &pythonRecord{l, path.Dir(folder)}
}

func (p *pythonRecord) line(b []byte) {
	name, sum, ok := recordFields(b)
	if !ok {
		if len(b) > 0 {
			p.list.fail(reasonMalformed)
		}
		return
	}
	if name[0] != '/' {
		name = append([]byte(p.base+"/"), name...)
	}
	f := plimsoll.OwnedFile{Path: ownedPath(name)}
	if f.Path == "" {
		p.list.fail(reasonMalformed)
		return
	}
	if kind, value, _ := bytes.Cut(sum, []byte("=")); string(kind) == "sha256" {
		if f.Sum = recordSum(value); f.Sum == nil {
			p.list.fail(reasonMalformed)
		}
	}
	if path.Ext(f.Path) != ".pyc" { // made, not installed, and nothing that runs by itself
		p.list.add(f)
	}
}

func (p *pythonRecord) end() {}

// recordSum decodes a sha256: in base64 as the specification says, or in hexadecimal as flit once wrote it. nil: it is none.
func recordSum(b []byte) []byte {
	const size = 32
	if sum, ok := unhex(b); ok && len(sum) == size {
		return sum
	}
	sum := make([]byte, base64.RawURLEncoding.DecodedLen(len(b)))
	if n, err := base64.RawURLEncoding.Decode(sum, bytes.TrimRight(b, "=")); err != nil || n != size {
		return nil
	}
	return sum[:size]
}

// recordFields cuts a line; only a path with a comma or a quote stands in quotes, which are doubled within.
func recordFields(b []byte) (name, sum []byte, ok bool) {
	var rest []byte
	if len(b) > 0 && b[0] == '"' {
		at := 1
		for at < len(b) && (b[at] != '"' || at+1 < len(b) && b[at+1] == '"') {
			if b[at] == '"' {
				at++
			}
			name = append(name, b[at])
			at++
		}
		if at+1 >= len(b) || b[at+1] != ',' {
			return nil, nil, false
		}
		rest = b[at+2:]
	} else if name, rest, ok = bytes.Cut(b, []byte(",")); !ok {
		return nil, nil, false
	}
	sum, _, ok = bytes.Cut(rest, []byte(","))
	return name, sum, ok && len(name) > 0
}
