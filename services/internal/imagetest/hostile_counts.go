package imagetest

import (
	"fmt"
	"strings"
)

// hostileCounts are H14 and H15.
func hostileCounts() []Case {
	const files, flat, deep = 10_000, 5_000, 4000
	many := make([]File, files)
	for i := range many {
		many[i] = File{Name: fmt.Sprintf("m/%03d/%d", i%997, i)}
	}
	one := make([]File, flat)
	for i := range one {
		one[i] = File{Name: fmt.Sprintf("one/%x", (i*7919)%flat)} // each name once, in no order
	}
	return []Case{
		rawCase("H14 many empty files", WantOK, gzipType, gzipped(Layer(append(many, marker())...))),
		tarCase("H15 path of 4000 components", WantOKPartial, Text(strings.Repeat("d/", deep)+"f", "x")),
		rawCase("H15 many files in one folder", WantOK, gzipType, gzipped(Layer(append(one, marker())...))),
	}
}
