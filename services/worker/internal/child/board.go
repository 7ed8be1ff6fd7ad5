package child

import (
	"sync/atomic"
	"unsafe"

	"github.com/plimsoll/plimsoll/services/worker/internal/analyze"
)

// board is a page of memory that the child writes and its worker reads: what is being done, and how far it is. It is there when
// the child dies. Where memory cannot be shared it is the child's own, and a fault then names no extractor.
type board struct {
	memory []byte
	mapped bool
}

const (
	boardBytes  = 4096
	boardOffset = 8 // of the bytes inflated, an int64; the stage stands before it
)

func ownBoard() *board { return &board{memory: make([]byte, boardBytes)} }

func (b *board) stage() *analyze.Stage { return analyze.StageOf(b.memory) }

func (b *board) inflated() *atomic.Int64 {
	return (*atomic.Int64)(unsafe.Pointer(&b.memory[boardOffset]))
}

func (b *board) reset() {
	b.inflated().Store(0)
	b.stage().Reset()
}

// at is what the child is doing, or was when it died; done is how many bytes it has inflated in this job.
func (b *board) at() (analyzer, extractor string) { return b.stage().Load() }

func (b *board) done() int64 { return b.inflated().Load() }
