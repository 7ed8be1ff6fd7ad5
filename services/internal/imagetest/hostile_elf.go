package imagetest

import "encoding/binary"

// elfFile is a 64-bit executable for Linux (System V ABI, "Object Files"). Zero values are honest: one segment, no sections.
type elfFile struct {
	sections uint16       // number of sections as claimed
	table    uint64       // offset of the section table as claimed; 0: after body
	headers  []elfSection // that stand there
	segments uint16       // number of segments as claimed; 0: 1
	body     []byte
}

// elfSection is a section's header.
type elfSection struct {
	kind         uint32
	flags        uint64
	offset, size uint64
	entry        uint64 // bytes of one entry
}

const elfHead, elfSegment = 64, 56

func (e elfFile) bytes() []byte {
	le := binary.LittleEndian
	table := e.table
	if table == 0 && e.sections != 0 {
		table = uint64(elfHead + elfSegment + len(e.body))
	}
	segments := e.segments
	if segments == 0 {
		segments = 1
	}
	b := append([]byte("\x7fELF"), 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0) // 64 bits, little endian, System V
	b = le.AppendUint16(b, 2)                                          // an executable
	b = le.AppendUint16(b, 62)                                         // x86-64
	b = le.AppendUint32(b, 1)
	for _, v := range []uint64{0x400000, elfHead, table} { // entry point, segment table, section table
		b = le.AppendUint64(b, v)
	}
	b = le.AppendUint32(b, 0)
	for _, v := range []uint16{elfHead, elfSegment, segments, 64, e.sections, 0} {
		b = le.AppendUint16(b, v)
	}
	b = append(b, elfLoad(uint64(elfHead+elfSegment+len(e.body)))...)
	b = append(b, e.body...)
	for _, s := range e.headers {
		b = append(b, s.bytes()...)
	}
	return b
}

// elfLoad is a segment that is loaded, from the file's start.
func elfLoad(size uint64) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(le.AppendUint32(nil, 1), 6) // loaded; read and write, as data is, among which readers look for lists
	for _, v := range []uint64{0, 0x400000, 0x400000, size, size, 4096} {
		b = le.AppendUint64(b, v)
	}
	return b
}

func (s elfSection) bytes() []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(le.AppendUint32(nil, 1), s.kind)
	for _, v := range []uint64{s.flags, 0, s.offset, s.size} {
		b = le.AppendUint64(b, v)
	}
	b = le.AppendUint32(le.AppendUint32(b, 0), 0)
	return le.AppendUint64(le.AppendUint64(b, 8), s.entry)
}

// hostileELF are H41: executables without package information, whatever their headers claim. A reader of package lists owes
// nothing but to live.
func hostileELF() []Case {
	program := func(name string, e elfFile) Case {
		return tarCase("H41 "+name, WantOK, Program("usr/bin/hostile", e.bytes()))
	}
	const progbits, note, symtab, dynsym, compressed = 1, 7, 2, 11, 0x800
	lie := make([]byte, 24) // the head of a compressed section: zlib, 2^62 bytes
	lie[0] = 1
	binary.LittleEndian.PutUint64(lie[8:], 1<<62)
	dwarf := append([]byte("ZLIB\x40\x00\x00\x00\x00\x00\x00\x00"), lie...)
	return []Case{
		program("static and stripped", elfFile{body: repeated("\x90\xc3", 64<<10)}),
		program("section of 128 GB", elfFile{sections: 2, headers: []elfSection{{}, {kind: progbits, offset: 64, size: 128 << 30}}}),
		program("65,535 sections beyond the file", elfFile{sections: 0xffff, table: 1 << 40}),
		program("2^62 sections by the first one's size", elfFile{headers: []elfSection{{size: 1 << 62}}, table: elfHead + elfSegment}),
		program("65,535 segments", elfFile{segments: 0xffff}),
		program("symbols of 2^62 bytes", elfFile{sections: 3, headers: []elfSection{{}, {kind: symtab, size: 1 << 62, entry: 24}, {kind: dynsym, size: 1 << 62, entry: 1}}}),
		program("note of 2^63 bytes", elfFile{sections: 2, headers: []elfSection{{}, {kind: note, offset: 1<<63 - 1, size: 1<<63 - 1}}}),
		program("compressed debugging data that lies", elfFile{body: dwarf, sections: 2, headers: []elfSection{{}, {kind: progbits, flags: compressed, offset: elfHead + elfSegment + 12, size: 24}}}),
		program("packed by UPX", elfFile{body: append([]byte("UPX!\r\n"), repeated("\xf3\x1b\x7f", 256<<10)...)}),
		tarCase("H41 magic alone", WantOK, Program("usr/bin/hostile", []byte("\x7fELF"))),
		tarCase("H41 ELF of 32 bits cut in its head", WantOK, Program("usr/bin/hostile", []byte("\x7fELF\x01\x01\x01\x00"))),
	}
}
