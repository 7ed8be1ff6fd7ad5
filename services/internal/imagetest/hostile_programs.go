package imagetest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
)

// rustProgram is an executable with a list of dependencies as cargo-auditable puts it there: a section with deflated JSON.
func rustProgram(list []byte) []byte {
	const name = "\x00.dep-v0\x00"
	e := elfFile{body: append(append(make([]byte, 64), list...), name...), sections: 3}
	at := uint64(elfHead + elfSegment + 64)
	e.headers = []elfSection{{}, {kind: 1, offset: at, size: uint64(len(list))}, {kind: 3, offset: at + uint64(len(list)), size: uint64(len(name))}}
	b := e.bytes()
	binary.LittleEndian.PutUint16(b[62:], 2) // where the names of sections stand
	return b
}

func zlibbed(b []byte) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, err := w.Write(b)
	must(err)
	must(w.Close())
	return out.Bytes()
}

// hostilePrograms are H41: lists of Rust, and executables of other systems.
func hostilePrograms() []Case {
	rust := func(name, want string, list []byte) Case {
		return tarCase("H41 Rust "+name, want, Program("usr/bin/hostile", rustProgram(list)))
	}
	other := func(name, want string, b []byte) Case {
		return tarCase("H41 "+name, want, Program("usr/bin/hostile", b))
	}
	const one = `{"packages":[{"name":"libc","version":"0.2.1","source":"crates.io"}]}`
	deep := `{"packages":[],"x":` + repeat("[", 1<<20)
	fat := binary.BigEndian.AppendUint32([]byte("\xca\xfe\xba\xbe"), 1<<32-1) // a universal binary of so many architectures
	macho := append([]byte("\xcf\xfa\xed\xfe\x07\x00\x00\x01\x03\x00\x00\x00\x02\x00\x00\x00"), repeated("\xff", 64)...)
	pe := append([]byte("MZ"), make([]byte, 58)...)
	pe = append(binary.LittleEndian.AppendUint32(pe, 64), append([]byte("PE\x00\x00\x64\x86\xff\xff"), repeated("\xff", 256)...)...)
	mark := goInfo{modules: modules("example.com/dep"), versionLength: 1 << 62}.bytes()
	marked := func(b []byte) []byte { return append(append(b, make([]byte, 16-len(b)%16)...), mark...) }
	return []Case{
		rust("honest", WantOK, zlibbed([]byte(one))).holds("libc 0.2.1"),
		rust("list that inflates to 128 MiB", WantPartial, zlibbed(append([]byte(one), make([]byte, 128<<20)...))),
		rust("list of a million levels", WantPartial, zlibbed([]byte(deep))),
		rust("list that is no zlib", WantPartial, []byte("no zlib stream at all, but long enough")),
		rust("list cut", WantPartial, cutBytes(zlibbed([]byte(one)))),
		other("universal binary of four billion architectures", WantOK, append(fat, repeated("\x00", 64)...)),
		other("Mach-O whose commands lie", WantOK, macho),
		other("PE of 65,535 sections", WantOK, pe),
		other("Mach-O with build information that lies", WantPartial, marked(macho)),
		other("PE with build information that lies", WantPartial, marked(pe)),
	}
}
