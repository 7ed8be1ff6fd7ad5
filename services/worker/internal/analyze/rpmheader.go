package analyze

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/plimsoll/plimsoll"
)

// Tags of an rpm header that name a package (rpm, include/rpm/rpmtag.h).
const (
	tagName            = 1000
	tagVersion         = 1001
	tagRelease         = 1002
	tagEpoch           = 1003
	tagArch            = 1022
	tagSourceRPM       = 1044
	tagModularityLabel = 5096
)

// Types of a header's entries.
const (
	typeInt32  = 4
	typeString = 6
	typeI18N   = 9
)

// parseHeader reads an rpm header as it stands in the database: the number of index entries and the bytes of data, both big
// endian, then entries of tag, type, offset and count, then the data (rpm, docs/manual/format_header).
func parseHeader(b []byte) (plimsoll.Package, error) {
	if len(b) < 8 {
		return plimsoll.Package{}, errDatabase
	}
	entries, size := int64(binary.BigEndian.Uint32(b)), int64(binary.BigEndian.Uint32(b[4:]))
	if entries > int64(len(b))/16 || 8+entries*16+size > int64(len(b)) {
		return plimsoll.Package{}, errDatabase
	}
	data := b[8+entries*16:][:size]
	strs, epoch := map[uint32]string{}, uint32(0)
	for i := range entries {
		e := b[8+i*16:]
		tag, kind, at := binary.BigEndian.Uint32(e), binary.BigEndian.Uint32(e[4:]), int64(binary.BigEndian.Uint32(e[8:]))
		switch tag {
		case tagName, tagVersion, tagRelease, tagArch, tagSourceRPM, tagModularityLabel:
			s, ok := text(data, at)
			_, twice := strs[tag] // a million of one tag would be looked at a million times
			if !ok || twice || kind != typeString && kind != typeI18N {
				return plimsoll.Package{}, errDatabase
			}
			strs[tag] = s
		case tagEpoch:
			if kind != typeInt32 || at+4 > size {
				return plimsoll.Package{}, errDatabase
			}
			epoch = binary.BigEndian.Uint32(data[at:])
		}
	}
	return rpmPackage(strs, epoch)
}

// text is the string of data that starts at and ends with NUL.
func text(data []byte, at int64) (string, bool) {
	if at >= int64(len(data)) {
		return "", false
	}
	s, _, ok := bytes.Cut(data[at:], []byte{0})
	return string(s[:min(len(s), maxField+1)]), ok
}

func rpmPackage(strs map[uint32]string, epoch uint32) (plimsoll.Package, error) {
	if strs[tagName] == "" || strs[tagVersion] == "" {
		return plimsoll.Package{}, errDatabase
	}
	p := plimsoll.Package{
		Name: strs[tagName], Version: strs[tagVersion], Architecture: strs[tagArch], Module: moduleStream(strs[tagModularityLabel]),
		Ecosystem: FamilyRPM,
	}
	if r := strs[tagRelease]; r != "" {
		p.Version += "-" + r
	}
	evr := p.Version
	if epoch > 0 {
		p.Version = fmt.Sprintf("%d:%s", epoch, p.Version)
	}
	if name, version, ok := splitSourceRPM(strs[tagSourceRPM]); ok {
		p.Source, p.SourceVersion = unlessSame(name, p.Name), unlessSame(version, evr)
	}
	return p, nil
}

// splitSourceRPM cuts "openssl-3.0.7-1.el9.src.rpm" into name and version-release.
func splitSourceRPM(s string) (name, version string, ok bool) {
	s = strings.TrimSuffix(strings.TrimSuffix(s, ".rpm"), ".src")
	release := strings.LastIndexByte(s, '-')
	if release < 0 {
		return "", "", false
	}
	at := strings.LastIndexByte(s[:release], '-')
	if at <= 0 {
		return "", "", false
	}
	return s[:at], s[at+1:], true
}

// moduleStream shortens a label "name:stream:version:context" to what advisories name.
func moduleStream(label string) string {
	parts := strings.Split(label, ":")
	if len(parts) < 2 {
		return ""
	}
	return parts[0] + ":" + parts[1]
}
