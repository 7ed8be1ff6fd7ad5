package analyze

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/google/osv-scalibr/extractor"
	"github.com/google/osv-scalibr/purl"

	"github.com/plimsoll/plimsoll"
)

// Cargo-auditable embeds a program's dependencies as JSON, zlib, in a section of their own (cargo-auditable, PARSING.md). The
// list is known by what it inflates to, so that a stream can be searched for it.
var (
	auditNames = [][]byte{[]byte(".dep-v0\x00"), []byte(".rust-deps-v0\x00")}
)

const auditHead = `{"packages":[`

// auditList is such a list; what was only used to build the program is not in it.
type auditList struct {
	Packages []struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Kind    string `json:"kind"` // runtime, build, development; empty: runtime
	} `json:"packages"`
}

func hasAuditName(b []byte) bool {
	return bytes.Contains(b, auditNames[0]) || bytes.Contains(b, auditNames[1])
}

// auditStart is where a list begins in b before end; -1 when none does.
func auditStart(b []byte, end int) int {
	for at := 0; at < end; at++ {
		i := bytes.IndexByte(b[at:end], 0x78) // zlib's first byte, for its largest window (RFC 1950)
		if i < 0 {
			return -1
		}
		if at += i; at+1 < len(b) && isZlib(b[at+1]) && startsAudit(b[at:]) {
			return at
		}
	}
	return -1
}

// isZlib tells zlib's second byte, behind 0x78, without a preset dictionary.
func isZlib(flags byte) bool {
	return flags == 0x01 || flags == 0x5e || flags == 0x9c || flags == 0xda
}

// startsAudit inflates the first bytes.
func startsAudit(b []byte) bool {
	z, _ := inflaters.Get().(io.Reader)
	defer inflaters.Put(z)
	if z.(zlib.Resetter).Reset(bytes.NewReader(b), nil) != nil { //nolint:errcheck,forcetypeassert // as zlib documents it
		return false
	}
	var head [16]byte
	_, err := io.ReadFull(z, head[:len(auditHead)])
	return err == nil && string(head[:len(auditHead)]) == auditHead
}

// inflaters are used again: each has a window of 32 KiB.
var inflaters = sync.Pool{New: func() any {
	z, err := zlib.NewReader(strings.NewReader("x\x9c\x03\x00\x00\x00\x00\x01"))
	if err != nil {
		panic("an empty zlib stream: " + err.Error())
	}
	return z
}}

// auditedIn looks for a list in a whole file. The reason says that a section for one is there, but no list that can be read.
func auditedIn(b []byte) ([]plimsoll.Package, string) {
	if !hasAuditName(b[max(0, len(b)-nameTail):]) {
		return nil, ""
	}
	if at := auditStart(b, len(b)); at >= 0 {
		return audited(b[at:])
	}
	return nil, reasonRust
}

// audited reads a list.
func audited(b []byte) ([]plimsoll.Package, string) {
	z, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, reasonRust
	}
	text, err := io.ReadAll(io.LimitReader(z, maxAudit+1))
	if len(text) > maxAudit {
		return nil, fmt.Sprintf("limit reached: dependency list of more than %d MiB", maxAudit>>20)
	}
	var list auditList
	if err != nil || json.Unmarshal(text, &list) != nil {
		return nil, reasonRust
	}
	var ps []*extractor.Package
	for _, p := range list.Packages {
		if p.Kind == "" || p.Kind == "runtime" {
			ps = append(ps, &extractor.Package{Name: p.Name, Version: p.Version, PURLType: purl.TypeCargo})
		}
	}
	return by(NameRust, convertAll(ps)), ""
}
