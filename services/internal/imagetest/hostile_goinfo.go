package imagetest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// goInfo is the build information in a program of Go (debug/buildinfo): the mark, then two strings with their lengths.
type goInfo struct {
	version, modules string
	versionLength    uint64 // as claimed; 0: the true one
	modulesLength    uint64
	flags            byte // 0: the strings follow
}

const (
	goMark  = "\xff Go buildinf:"
	goGuard = "0w\xaf\f\x92t\b\x02A\xe1\xc1\a\xe6\xd6\x18\xe6" // before the modules (cmd/go/internal/modload)
	goAfter = "\xf92C1\x86\x18 r\x00\x82B\x10A\x16\xd8\xf2"
)

func (g goInfo) bytes() []byte {
	flags := g.flags
	if flags == 0 {
		flags = 2
	}
	b := append([]byte(goMark), 8, flags)
	b = append(b, make([]byte, 16)...)
	b = append(b, goString(orElse(g.version, "go1.26.1"), g.versionLength)...)
	return append(b, goString(goGuard+g.modules+goAfter, g.modulesLength)...)
}

func goString(s string, length uint64) []byte {
	if length == 0 {
		length = uint64(len(s))
	}
	return append(binary.AppendUvarint(nil, length), s...)
}

// goProgram is an executable of Go: the linker's note, as readers look for, and the information at a multiple of 16.
func goProgram(info []byte) []byte {
	note := []byte("\x04\x00\x00\x00\x04\x00\x00\x00\x04\x00\x00\x00Go\x00\x00abcd")
	start := len(elfFile{}.bytes()) + len(note)
	body := slices.Concat(note, make([]byte, 16-start%16), info, make([]byte, 64))
	return elfFile{body: body}.bytes()
}

func modules(deps ...string) string {
	b := "path\texample.com/app\nmod\texample.com/app\tv1.0.0\t\n"
	var s strings.Builder
	s.WriteString(b)
	for _, d := range deps {
		fmt.Fprintf(&s, "dep\t%s\tv1.2.3\th1:x=\n", d)
	}
	return s.String()
}

// hostileGoInfo are H41: lies in what a program of Go says of its modules.
func hostileGoInfo() []Case {
	program := func(name, want string, info []byte) Case {
		return tarCase("H41 Go "+name, want, Program("usr/bin/hostile", goProgram(info)))
	}
	var many []string
	for i := range 4000 {
		many = append(many, fmt.Sprintf("example.com/dep%04d", i))
	}
	good := modules("example.com/dep")
	return []Case{
		program("honest", WantOK, goInfo{modules: good}.bytes()).holds("example.com/dep 1.2.3"),
		program("information of 150 KiB", WantOK, goInfo{modules: modules(many...)}.bytes()).holds("example.com/dep0000 1.2.3", "example.com/dep3999 1.2.3"),
		program("version of 2^62 bytes", WantPartial, goInfo{modules: good, versionLength: 1 << 62}.bytes()),
		program("modules of 2^62 bytes", WantPartial, goInfo{modules: good, modulesLength: 1 << 62}.bytes()),
		program("lengths without an end", WantPartial, append(goInfo{}.bytes()[:32], repeated("\xff", 64)...)),
		program("pointers to nowhere", WantPartial, append(append([]byte(goMark), 8, 0), repeated("\xff", 64)...)),
		program("pointer size of 255", WantPartial, append(append([]byte(goMark), 0xff, 0), repeated("\x01", 64)...)),
		program("information cut", WantPartial, []byte(goMark)),
		program("modules of no form", WantPartial, goInfo{modules: "dep\tonly\nrubbish\n"}.bytes()),
		program("replacement without a module", WantPartial, goInfo{modules: "=>\texample.com/x\tv1\t\n"}.bytes()),
	}
}
