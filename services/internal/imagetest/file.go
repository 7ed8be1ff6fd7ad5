package imagetest

import (
	"archive/tar"
	"bytes"
	"path"
	"time"
)

// Epoch is the time of every file that has none of its own: fixed, so that bytes do not depend on when they are made.
var Epoch = time.Date(2024, time.January, 1, 0, 0, 0, 0, time.UTC)

// File is one entry of a layer's tar. The zero values of Type and Mode mean a regular file with 0644.
type File struct {
	Name     string // as it stands in the tar; not cleaned
	Body     []byte
	Mode     int64
	Type     byte   // archive/tar's Type…; 0: TypeReg
	Link     string // target of a symbolic or hard link
	UID, GID int
	Major    int64 // of devices
	Minor    int64
	ModTime  time.Time         // zero: Epoch
	PAX      map[string]string // further PAX records, extended attributes among them
	// Raw replaces everything else: these bytes stand in the tar as they are, for entries that no honest writer makes.
	Raw []byte
}

// Text is a regular file.
func Text(name, body string) File { return File{Name: name, Body: []byte(body)} }

// Program is a regular file that may be executed.
func Program(name string, body []byte) File { return File{Name: name, Body: body, Mode: 0o755} }

// Dir is a folder.
func Dir(name string) File { return File{Name: name + "/", Type: tar.TypeDir, Mode: 0o755} }

// Symlink is a symbolic link from name to target.
func Symlink(name, target string) File {
	return File{Name: name, Link: target, Type: tar.TypeSymlink, Mode: 0o777}
}

// Hardlink is a second name for target, which stands earlier in the layer when all is well.
func Hardlink(name, target string) File { return File{Name: name, Link: target, Type: tar.TypeLink} }

// Whiteout removes a path of the layers below (OCI image specification, "Whiteouts").
func Whiteout(name string) File {
	return File{Name: path.Join(path.Dir(name), ".wh."+path.Base(name))}
}

// Opaque hides what the layers below have inside a folder.
func Opaque(dir string) File { return File{Name: path.Join(dir, ".wh..wh..opq")} }

// Device is a character device.
func Device(name string, major, minor int64) File {
	return File{Name: name, Type: tar.TypeChar, Major: major, Minor: minor, Mode: 0o666}
}

// Raw is bytes that stand in the tar as they are.
func Raw(b []byte) File { return File{Raw: b} }

// Layer writes files, in the order given, as one uncompressed tar. Folders above a file are not added. A name that
// archive/tar cannot write (NUL inside, say) needs [Raw]: Layer panics on it, since its input is the program's own.
func Layer(files ...File) []byte {
	b := Entries(files...)
	return append(b, make([]byte, 2*blockSize)...) // the end marker: two blocks of zeros
}

const blockSize = 512

// Entries is [Layer] without the end marker.
func Entries(files ...File) []byte {
	var out bytes.Buffer
	for _, f := range files {
		if f.Raw != nil {
			out.Write(f.Raw)
			continue
		}
		w := tar.NewWriter(&out)
		must(w.WriteHeader(f.header()))
		_, err := w.Write(f.Body)
		must(err)
		must(w.Flush())
	}
	return out.Bytes()
}

func (f File) header() *tar.Header {
	h := &tar.Header{
		Name: f.Name, Linkname: f.Link, Typeflag: f.Type, Mode: f.Mode, Uid: f.UID, Gid: f.GID, Size: int64(len(f.Body)),
		Devmajor: f.Major, Devminor: f.Minor, ModTime: f.ModTime, PAXRecords: f.PAX,
	}
	if h.Typeflag == 0 {
		h.Typeflag = tar.TypeReg
	}
	if h.Mode == 0 {
		h.Mode = 0o644
	}
	if h.ModTime.IsZero() {
		h.ModTime = Epoch
	}
	return h
}

func must(err error) {
	if err != nil {
		panic("imagetest: " + err.Error())
	}
}

// Must is for set-up whose input is the program's own: it panics on an error.
func Must[T any](v T, err error) T {
	must(err)
	return v
}
