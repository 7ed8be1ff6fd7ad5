package assemble

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// oracle applies the tars of layers to a real folder, one after another, as containerd's apply does (pkg/archive/tar.go,
// applyNaive, of containerd 2.4): what that leaves on the disk is what a container started from the image sees. It knows nothing
// of this package: neither its reader of tars, nor its whiteouts, nor its merged tree.
//
// containerd gives up a whole layer at an entry that it refuses. Here that entry alone is left out and counted, so that the rest
// can be compared. What a refused entry had done before that (folders made above it, an old entry removed) stays.
type oracle struct {
	root    string
	layer   int            // the one being applied
	wrote   map[string]int // content of files: the layer that brought it
	gone    map[string]int // content of files: the first layer after which no file has it
	refused []string       // entries that containerd refuses, and why
	after   []content      // what the disk holds after each layer
}

// deviceBody stands for devices, which only root could make.
const deviceBody = "\x00device"

// Links that containerd follows before it gives up (continuity, fs.RootPath).
const oracleLinks = 255

// Reasons to leave an entry out, where the disk itself has none.
var (
	errOracleLoop     = errors.New("loop of links")
	errOracleRoot     = errors.New("in place of the root")
	errOracleWhiteout = errors.New("whiteout of nothing")
)

// unpacking is what containerd remembers while it applies one layer.
type unpacking struct {
	paths  map[string]bool // written by this layer
	opaque map[string]bool // folders whose opaque mark was heeded: a second one says nothing new
}

// apply adds one layer, bottom up.
func (o *oracle) apply(layer []byte) error {
	u := unpacking{map[string]bool{}, map[string]bool{}}
	for tr := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read the test's own tar: %w", err)
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			return fmt.Errorf("read %q: %w", h.Name, err)
		}
		// A loop leads nowhere, for whoever opens it too: that its entries are left out is nothing to tell (HOSTILE H5).
		if err := o.entry(h, body, u); err != nil && !errors.Is(err, errOracleLoop) {
			o.refused = append(o.refused, fmt.Sprintf("layer %d, %s: %v", o.layer, h.Name, err))
		}
	}
	return o.settle()
}

// settle looks at the disk, and notes which contents are there no more.
func (o *oracle) settle() error {
	held, err := o.list()
	if err != nil {
		return err
	}
	there := map[string]bool{}
	for _, x := range held {
		there[x.body] = true
	}
	for body := range o.wrote {
		if _, known := o.gone[body]; !known && !there[body] {
			o.gone[body] = o.layer
		}
	}
	o.after = append(o.after, held)
	o.layer++
	return nil
}

func (o *oracle) entry(h *tar.Header, body []byte, u unpacking) error {
	dir, base := path.Split(path.Clean(h.Name))
	if base == "" || base == "." || base == ".." {
		if h.Typeflag == tar.TypeDir {
			return nil
		}
		return errOracleRoot
	}
	hidden, isWhiteout := strings.CutPrefix(base, ".wh.")
	if isWhiteout && (hidden == "" || hidden == "." || hidden == "..") {
		return errOracleWhiteout
	}
	if len(body) > 0 && !isWhiteout {
		o.wrote[string(body)] = o.layer // wherever it may go
	}
	parent, err := o.real(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	switch {
	case base == ".wh..wh..opq":
		return o.opaque(parent, u)
	case isWhiteout:
		return os.RemoveAll(filepath.Join(parent, hidden))
	}
	at := filepath.Join(parent, base)
	u.paths[at] = true
	return o.replace(at, h, body)
}

// upAgain is a name that is neither "." nor "..", and "..", after it.
var upAgain = regexp.MustCompile(`(^|/)([^./][^/]*|\.[^./][^/]*|\.\.[^/]+)/(.*/)?\.\.(/|$)`)

// real is where a path leads within the root, for containerd as for whoever opens it: links are followed, absolute ones from the
// root on; ".." stops at it; what is missing is taken as written. The two part where a link's target goes up again behind a name
// (a -> a/../b): containerd joins the texts (continuity, fs.RootPath), the system takes each name for what it is. The system's way
// is gone, and that the two may differ is noted as a refusal is.
func (o *oracle) real(dir string) (string, error) {
	at, rest, parted := "/", strings.Split(dir, "/"), false
	for links := 0; len(rest) > 0; {
		next := path.Join(at, rest[0])
		rest = rest[1:]
		target, err := os.Readlink(filepath.Join(o.root, next))
		if err != nil { // no link
			at = next
			continue
		}
		if links++; links > oracleLinks {
			return "", errOracleLoop
		}
		if path.IsAbs(target) {
			at = "/"
		}
		parted = parted || upAgain.MatchString(target)
		rest = append(strings.Split(target, "/"), rest...)
	}
	if parted {
		o.refused = append(o.refused, fmt.Sprintf("layer %d: behind a link that goes up again: %s", o.layer, dir))
	}
	return filepath.Join(o.root, at), nil
}

// replace makes an entry where another one may stand. Only a folder over a folder leaves the old one.
func (o *oracle) replace(at string, h *tar.Header, body []byte) error {
	if info, err := os.Lstat(at); err == nil {
		if info.IsDir() && h.Typeflag == tar.TypeDir {
			return nil
		}
		if err := os.RemoveAll(at); err != nil {
			return err
		}
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return os.Mkdir(at, 0o755)
	case tar.TypeReg:
		return os.WriteFile(at, body, 0o644)
	case tar.TypeSymlink:
		return os.Symlink(h.Linkname, at)
	case tar.TypeLink:
		dir, base := path.Split(h.Linkname)
		from, err := o.real(dir)
		if err != nil {
			return fmt.Errorf("hard link: %v", err) // not errOracleLoop: here something is missing
		}
		return os.Link(filepath.Join(from, base), at)
	}
	return os.WriteFile(at, []byte(deviceBody), 0o644)
}

// opaque removes from a folder what this layer did not unpack there.
func (o *oracle) opaque(dir string, u unpacking) error {
	if u.opaque[dir] {
		return nil
	}
	u.opaque[dir] = true
	return filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p == dir || u.paths[p]:
			return nil
		}
		if err := os.RemoveAll(p); err != nil {
			return err
		}
		if e.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
}

// thing is what stands at one path.
type thing struct {
	kind string // "file", "dir", "link" or "device"
	link string // target of a link
	body string // of a file
}

// content is all that a tree holds, by path.
type content map[string]thing

func (c content) lines() []string {
	out := make([]string, 0, len(c))
	for at, x := range c {
		out = append(out, strings.TrimRight(fmt.Sprintf("%s %s %s%s", at, x.kind, x.link, label(x.body)), " "))
	}
	slices.Sort(out)
	return out
}

// list reads the whole disk.
func (o *oracle) list() (content, error) {
	c := content{}
	err := filepath.WalkDir(o.root, func(p string, e fs.DirEntry, err error) error {
		if err != nil || p == o.root {
			return err
		}
		x := thing{kind: "file"}
		switch {
		case e.IsDir():
			x.kind = "dir"
		case e.Type()&fs.ModeSymlink != 0:
			x.kind = "link"
			x.link, err = os.Readlink(p)
		default:
			var body []byte
			if body, err = os.ReadFile(p); string(body) == deviceBody {
				x.kind, body = "device", nil
			}
			x.body = string(body)
		}
		c[strings.TrimPrefix(p, o.root+"/")] = x
		return err
	})
	return c, err
}

// newOracle makes one on an empty folder, which must be of the test.
func newOracle(root string) *oracle {
	return &oracle{root: root, wrote: map[string]int{}, gone: map[string]int{}}
}
