package analyze

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// owners knows which files of the layer belong to OS packages, to tell a Python package that Debian ships (patched, versioned
// and tracked by Debian) from one that pip installed. It keeps the raw lists and looks the few files of interest up at the end:
// lists may come before or after the files.
type owners struct {
	lists  []ownedList
	bytes  int
	reason string
}

// ownedList is one package's files, or with an empty name an apk database, which holds all packages' files.
type ownedList struct {
	name string
	data []byte
}

const dpkgInfo = "var/lib/dpkg/info/"

// isFileList tells dpkg's own list of one package's files: var/lib/dpkg/info/<package>[:<architecture>].list.
func isFileList(p string) bool {
	return strings.HasPrefix(p, dpkgInfo) && strings.HasSuffix(p, ".list")
}

func (p *packages) fileList(f *file, body io.Reader) error {
	if err := p.load(f, body, maxFile); err != nil {
		return broken(err)
	}
	name, _, _ := strings.Cut(strings.TrimSuffix(path.Base(f.path), ".list"), ":")
	p.owned.keep(name, f.data)
	return nil
}

func (o *owners) keep(name string, data []byte) {
	if o.bytes += len(data); o.bytes > maxOwned {
		o.reason = fmt.Sprintf("limit reached: more than %d MiB of file lists", maxOwned>>20)
		return
	}
	o.lists = append(o.lists, ownedList{name, bytes.Clone(data)})
}

// mark notes on each language package of a file that an OS package installed which one that is.
func (o *owners) mark(sources []plimsoll.PackageSource) {
	wanted := map[string][]int{}
	for i, s := range sources {
		if !s.Database && len(s.Packages) > 0 {
			wanted[s.Path] = append(wanted[s.Path], i)
		}
	}
	if len(wanted) == 0 {
		return
	}
	own := func(file []byte, owner string) {
		for _, i := range wanted[string(file)] {
			for j := range sources[i].Packages {
				sources[i].Packages[j].NotMatched = "installed by " + owner
			}
		}
	}
	for _, l := range o.lists {
		if l.name != "" {
			eachLine(l.data, func(line []byte) { own(bytes.TrimPrefix(line, []byte("/")), l.name) })
		} else {
			eachApkFile(l.data, own)
		}
	}
}

func eachLine(b []byte, do func(line []byte)) {
	for line := range bytes.Lines(b) {
		do(bytes.TrimRight(line, "\r\n"))
	}
}

// eachApkFile goes through an apk database (apk-tools, "installed" format): P: a package, F: a folder, R: a file in it.
func eachApkFile(b []byte, do func(file []byte, owner string)) {
	var owner string
	var folder, file []byte
	eachLine(b, func(line []byte) {
		if len(line) < 2 || line[1] != ':' {
			return
		}
		switch value := line[2:]; line[0] {
		case 'P':
			owner = string(value[:min(len(value), maxField)])
		case 'F':
			folder = value
		case 'R':
			file = append(append(append(file[:0], folder...), '/'), value...)
			do(bytes.TrimPrefix(file, []byte("/")), owner)
		}
	})
}
