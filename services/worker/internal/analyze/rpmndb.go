package analyze

import (
	"bytes"
	"context"
	"encoding/binary"
)

// rpm's own format, ndb, as SUSE uses it (rpm, lib/backend/ndb/rpmpkg.c): slots of 16 bytes on pages of 4096, then blobs in blocks
// of 16; all little endian.
const (
	ndbMagic     = "RpmP"
	ndbSlotMagic = "Slot"
	ndbBlobMagic = "BlbS"
	ndbPage      = 4096
	ndbBlock     = 16
	ndbBlobHead  = 16 // magic, package, generation, length
)

// ndbHeaders calls do with the header of each slot that is in use.
func ndbHeaders(ctx context.Context, b []byte, do func(header []byte) error) error {
	if len(b) < ndbPage || !bytes.HasPrefix(b, []byte(ndbMagic)) {
		return errDatabase
	}
	pages := int64(binary.LittleEndian.Uint32(b[12:]))
	if pages*ndbPage > int64(len(b)) {
		return errDatabase
	}
	fault := error(nil)
	total := 0
	// The database's own head takes the place of the first two slots.
	for at := int64(2 * ndbBlock); at < pages*ndbPage; at += ndbBlock {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		slot := b[at : at+ndbBlock]
		if string(slot[:4]) != ndbSlotMagic {
			return errDatabase
		}
		pkg := binary.LittleEndian.Uint32(slot[4:])
		if pkg == 0 {
			continue
		}
		h, ok := ndbBlob(b, pkg, slot)
		// Slots may name the same blob again and again: blobs together are no larger than the file.
		if total += len(h); !ok || total > len(b) {
			fault = errDatabase
			continue
		}
		if err := do(h); err != nil {
			return err
		}
	}
	return fault
}

func ndbBlob(b []byte, pkg uint32, slot []byte) ([]byte, bool) {
	at := int64(binary.LittleEndian.Uint32(slot[8:])) * ndbBlock
	room := int64(binary.LittleEndian.Uint32(slot[12:])) * ndbBlock
	if at+room > int64(len(b)) || room < ndbBlobHead {
		return nil, false
	}
	blob := b[at : at+room]
	n := int64(binary.LittleEndian.Uint32(blob[12:]))
	if string(blob[:4]) != ndbBlobMagic || binary.LittleEndian.Uint32(blob[4:]) != pkg || ndbBlobHead+n > room {
		return nil, false
	}
	return blob[ndbBlobHead : ndbBlobHead+n], true
}
