package gunzip

import "sync"

// Code lengths of the fixed codes' extremes (RFC 1951, section 3.2.6).
const (
	fixedLitMin  = 7
	fixedDistMin = 5
)

// tables are those of one block.
type tables struct {
	lit  [litSize]uint32
	dist [distSize]uint32
}

// fixedTables are those of the fixed codes (RFC 1951, section 3.2.6).
var fixedTables = sync.OnceValue(func() *tables {
	var lit [numFixedLit]uint8
	for i := range lit {
		switch {
		case i < 144:
			lit[i] = 8
		case i < 256:
			lit[i] = 9
		case i < 280:
			lit[i] = 7
		default:
			lit[i] = 8
		}
	}
	var dist [numFixedDist]uint8
	for i := range dist {
		dist[i] = 5
	}
	t := new(tables)
	build(t.lit[:], litBits, lit[:], litSymbols[:])
	build(t.dist[:], distBits, dist[:], distSymbols[:])
	return t
})

// useFixed puts the fixed codes' tables in place, unless they are: a stream may have a million blocks of them.
func (z *Reader) useFixed() {
	if z.fixed {
		return
	}
	t := fixedTables()
	z.lit, z.dist = t.lit, t.dist
	z.litMin, z.distMin = fixedLitMin, fixedDistMin
	z.fixed = true
}
