package analyze

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"time"
)

// file is one file of a layer as readers see it: path, header and, once buffered, its bytes.
type file struct {
	path  string
	entry int // index among the layer's tree entries
	info  fs.FileInfo
	data  []byte
}

// Path and Stat make file a filesystem.FileAPI.
func (f *file) Path() string               { return f.path }
func (f *file) Stat() (fs.FileInfo, error) { return f.info, nil }

// size is what the header says; data is what came.
func (f *file) size() int64 { return f.info.Size() }

// alone is a file system that holds one file and an empty os-release: extractors are given one file at a time, and look for
// the distribution themselves, which only assembly can know.
type alone struct{ *file }

const osReleasePath = "etc/os-release"

func (a alone) Open(name string) (fs.File, error) {
	switch name {
	case a.path:
		return &openFile{Reader: bytes.NewReader(a.data), info: a.info}, nil
	case osReleasePath:
		return &openFile{Reader: bytes.NewReader(nil), info: emptyInfo{fs.FileMode(0o644)}}, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func (a alone) Stat(name string) (fs.FileInfo, error) {
	switch name {
	case a.path:
		return a.info, nil
	case osReleasePath:
		return emptyInfo{fs.FileMode(0o644)}, nil
	case path.Dir(osReleasePath):
		return emptyInfo{fs.ModeDir | 0o755}, nil
	}
	return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
}

func (a alone) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == path.Dir(a.path) {
		return []fs.DirEntry{fs.FileInfoToDirEntry(a.info)}, nil
	}
	return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
}

// openFile is an open file over bytes; its embedded reader gives ReadAt and Seek too.
type openFile struct {
	*bytes.Reader
	info fs.FileInfo
}

func (o *openFile) Stat() (fs.FileInfo, error) { return o.info, nil }
func (o *openFile) Close() error               { return nil }

var _ io.ReaderAt = (*openFile)(nil)

// emptyInfo describes the file and the folder that alone makes up.
type emptyInfo struct{ mode fs.FileMode }

func (e emptyInfo) Name() string       { return path.Base(osReleasePath) }
func (e emptyInfo) Size() int64        { return 0 }
func (e emptyInfo) Mode() fs.FileMode  { return e.mode }
func (e emptyInfo) ModTime() time.Time { return time.Time{} }
func (e emptyInfo) IsDir() bool        { return e.mode.IsDir() }
func (e emptyInfo) Sys() any           { return nil }

// sized is a file's information with the size of what really came.
type sized struct {
	fs.FileInfo
	bytes int64
}

func (s sized) Size() int64 { return s.bytes }
