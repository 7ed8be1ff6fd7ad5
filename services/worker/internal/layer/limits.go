package layer

import "fmt"

// Limits bound what one layer may cost. Every one that is hit becomes a partial result with its name. The zero value is not
// usable; DefaultLimits is.
type Limits struct {
	Compressed int64 // bytes as stored
	Inflated   int64 // bytes of the tar
	Ratio      int64 // inflated bytes a compressed byte, once RatioFrom bytes were inflated
	RatioFrom  int64
	Entries    int // entries of the tar
	Path       int // bytes of a path or link target
	Depth      int // components of a path
	Window     uint64
}

// DefaultLimits are far beyond honest layers and well within a worker's means.
func DefaultLimits() Limits {
	return Limits{
		Compressed: 16 << 30,  // the largest layers met in practice are model weights of about 10 GiB
		Inflated:   64 << 30,  // four times that: honest tars compress by two to five
		Ratio:      200,       // honest text logs reach 50; gzip's own maximum is about 1030
		RatioFrom:  64 << 20,  // a small layer of zeros is cheap to read, so it is no bomb
		Entries:    5_000_000, // ten times the largest honest layer
		Path:       4 << 10,   // PATH_MAX of Linux
		Depth:      255,       // beyond it no tool can use the path
		Window:     128 << 20, // zstd --ultra -22 uses 128 MiB; memory is allocated by it
	}
}

// String lists every limit: it is part of the configuration that facts are keyed by.
func (l Limits) String() string {
	return fmt.Sprintf("compressed=%d inflated=%d ratio=%d/%d entries=%d path=%d depth=%d window=%d",
		l.Compressed, l.Inflated, l.Ratio, l.RatioFrom, l.Entries, l.Path, l.Depth, l.Window)
}
