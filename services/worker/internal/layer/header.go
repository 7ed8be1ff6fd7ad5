package layer

import (
	"archive/tar"
	"io/fs"
	"path"
	"strings"
	"time"
)

// Header is what a tar says of one entry, as far as analysers need it. It is valid during the visit alone.
type Header struct {
	Name     string // as it stands in the tar: see [Clean]
	Linkname string
	Typeflag byte  // as archive/tar names them; a file is always tar.TypeReg, tar.TypeCont or tar.TypeGNUSparse
	Mode     int64 // permissions, set-uid, set-gid and sticky bits; others as they came
	Size     int64 // of the content, in bytes; what stands there for types without content means nothing
	// Sparse tells a file whose holes do not stand in the tar (GNU tar, "Sparse Formats"): a few bytes can stand for terabytes.
	Sparse bool
	// Capability is the extended attribute security.capability, as bytes.
	Capability string
}

// Records of PAX headers that the header keeps.
const (
	paxCapability = "SCHILY.xattr.security.capability"
	paxSparse     = "GNU.sparse."
)

func headerOf(h *tar.Header) Header {
	return Header{
		Name: h.Name, Linkname: h.Linkname, Typeflag: h.Typeflag, Mode: h.Mode, Size: h.Size,
		Sparse: isSparse(h), Capability: h.PAXRecords[paxCapability],
	}
}

func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, paxSparse) {
			return true
		}
	}
	return false
}

// hasContent tells the types whose content stands in the tar after the header, whatever size the others claim.
func hasContent(typeflag byte) bool {
	switch typeflag {
	case tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeDir, tar.TypeFifo:
		return false
	}
	return true
}

// Info describes the entry as a file: it stays valid after the visit.
func (h *Header) Info() fs.FileInfo { return info{path.Base(Clean(h.Name)), h.Size, uint32(h.Mode)} }

type info struct {
	name string
	size int64
	mode uint32
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return false }
func (i info) Sys() any           { return nil }

func (i info) Mode() fs.FileMode {
	const setUID, setGID, sticky = 0o4000, 0o2000, 0o1000
	m := fs.FileMode(i.mode).Perm()
	if i.mode&setUID != 0 {
		m |= fs.ModeSetuid
	}
	if i.mode&setGID != 0 {
		m |= fs.ModeSetgid
	}
	if i.mode&sticky != 0 {
		m |= fs.ModeSticky
	}
	return m
}
