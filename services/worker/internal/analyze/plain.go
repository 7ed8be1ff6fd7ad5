package analyze

import "strings"

// plainEndings are endings of names that no reader of packages wants, whatever the folder: most files of most images have one.
// Asking every reader for each of them would take a third of the time that a layer of many small files needs.
var plainEndings = func() map[string]struct{} {
	m := map[string]struct{}{}
	for _, e := range strings.Fields(`
		.c .cc .cpp .css .csv .cts .d .decTest .dtd .ejs .el .flow .gif .gir .h .hpp .htm .html .ico .idx .inc .j2 .jpeg .jpg .js
		.jsx .less .log .m4 .map .markdown .md .mjs .mts .pm .png .po .pod .postinst .postrm .preinst .prerm .ps1
		.pyc .pyi .rst .scss .sql .svg .templates .tex .triggers .ts .tsx .ttf .txt .vim .woff .woff2 .xbm .xsd .xsl`) {
		m[e] = struct{}{}
	}
	return m
}()

// isPlain tells that no reader wants a file, by its name alone. Executables are asked for by their mode too.
func isPlain(path string, mode uint32) bool {
	i := strings.LastIndexByte(path, '.')
	if i < 0 || mode&0o111 != 0 {
		return false
	}
	_, ok := plainEndings[path[i:]]
	return ok && !strings.Contains(path, "status.d/") // every name there may be a package's
}
