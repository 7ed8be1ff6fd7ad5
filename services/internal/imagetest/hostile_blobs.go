package imagetest

// goodLayer is a Debian base as a plain tar, with the list of the files that its package owns.
func goodLayer() []byte {
	lists := []File{Text("var/lib/dpkg/info/zlib1g.list", "/.\n/etc\n/etc/marker\n"), Text("var/lib/dpkg/info/zlib1g.md5sums", "")}
	return Layer(append(append(DebianLike("12", honest), lists...), marker())...)
}

// flipped changes one bit in the middle.
func flipped(b []byte) []byte {
	out := append([]byte(nil), b...)
	out[len(out)/2] ^= 1
	return out
}

// hostileBlobs are H20: layers whose bytes are not what their digest says.
func hostileBlobs() []Specimen {
	good := goodLayer()
	// swapped stores other bytes under the layer's digest.
	swapped := func(name string, b []byte) Specimen {
		return Specimen{Name: "H20 layer " + name, Want: WantRefused, write: func(l *layoutWriter) document {
			// Each case needs a digest of its own: all may lie in one layout.
			layer := append(Layer(Text("case", name)), good...)
			root := l.image(layerBlob{b: layer, mediaType: plainType})
			stored := map[string][]byte{"with a flipped bit": flipped(layer), "that is longer": append(flipped(layer), 0), "that is shorter": layer[:len(layer)-blockSize]}
			if b == nil {
				b = stored[name]
			}
			l.claimed(digestOf(layer), b)
			return root
		}}
	}
	sized := func(name string, size int64) Specimen {
		return Specimen{Name: "H20 layer of " + name, Want: WantRefused, write: func(l *layoutWriter) document {
			layer := l.blob(plainType, Layer(Text("case", name), marker()))
			return l.manifest(l.blob(configType, configuration(layer["digest"].(string)).bytes()), layer.with("size", size))
		}}
	}
	missing := Specimen{Name: "H20 layer that is not there", Want: WantRefused, write: func(l *layoutWriter) document {
		digest := digestOf([]byte("nowhere"))
		return l.manifest(l.blob(configType, configuration(digest).bytes()), document{"mediaType": gzipType, "digest": digest, "size": 7})
	}}
	twice := Specimen{Name: "H20 layer that is named twice", Want: WantOK, Holds: []string{honestHeld}, write: func(l *layoutWriter) document {
		return l.image(layerBlob{b: good, mediaType: plainType}, layerBlob{b: good, mediaType: plainType})
	}}
	return []Specimen{
		swapped("with a flipped bit", nil), swapped("that is longer", nil), swapped("that is shorter", nil),
		swapped("of other bytes", []byte("<html>500</html>")), swapped("of no bytes", []byte{}),
		sized("one byte by its manifest", 1), sized("2^63-1 bytes by its manifest", 1<<63-1), sized("one terabyte by its manifest", 1<<40),
		missing, twice,
	}
}
