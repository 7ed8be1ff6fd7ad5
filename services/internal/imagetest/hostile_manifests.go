package imagetest

import (
	"fmt"
	"strings"
)

// hostileManifests are H42: package files that are no JSON. Lock files say what somebody wished to install: a reader of what is
// installed may leave them alone, so both outcomes are right for them.
func hostileManifests() []Case {
	const metadata = "Metadata-Version: 2.1\nName: hostile\nVersion: 1\n"
	gem := "usr/lib/ruby/gems/3.3.0/specifications/hostile-1.gemspec"
	wished := func(name, path, body string) Case { return nodeCase(name, WantOKPartial, path, body) }
	return []Case{
		nodeCase("METADATA without a name", WantPartial, wheelFolder, "Version: 1\n\n"),
		nodeCase("METADATA with empty fields", WantPartial, wheelFolder, "Name:\nVersion:\n\n"),
		nodeCase("METADATA with a field twice", WantOKPartial, wheelFolder, "Name: first\n"+metadata),
		nodeCase("METADATA with a byte order mark", WantOKPartial, wheelFolder, "\xef\xbb\xbf"+metadata),
		nodeCase("METADATA that is no UTF-8", WantOKPartial, wheelFolder, "Name: host\xffile\nVersion: 1\n\n"),
		nodeCase("METADATA of one line of 8 MiB", WantOKPartial, wheelFolder, metadata+"X: "+repeat("x", 8<<20)+"\n\n"),
		nodeCase("METADATA of a million fields", WantOKPartial, wheelFolder, metadata+repeat("X: y\n", 5<<20)+"\n"),
		nodeCase("METADATA of a million continued lines", WantOKPartial, wheelFolder, metadata+"X: y\n"+repeat(" z\n", 3<<20)+"\n"),
		nodeCase("gemspec that is code", WantPartial, gem, "Gem::Specification.new do |s|\n  s.name = `id`\n  s.version = ENV['X']\nend\n"),
		nodeCase("gemspec of one line of 8 MiB", WantPartial, gem, "s.name = \""+repeat("x", 8<<20)),
		nodeCase("gemspec that is empty", WantPartial, gem, ""),
		wished("package-lock.json a million levels deep", "app/package-lock.json", `{"packages":`+repeat(`{"a":`, 5<<20)),
		giantNode("package-lock.json of 65 MiB", WantOKPartial, "app/package-lock.json"),
		wished("yarn.lock with empty lines and fields", "app/yarn.lock", "# yarn lockfile v1\n\n\"\":\n  version\n  version \n  resolved \"\"\n\n@:\n  version \"\"\n"),
		wished("pnpm-lock.yaml with an alias bomb", "app/pnpm-lock.yaml", aliasBomb(9)),
		wished("pnpm-lock.yaml a hundred thousand levels deep", "app/pnpm-lock.yaml", "packages: "+repeat("{a: ", 400_000)),
		wished("pnpm-lock.yaml with an anchor in itself", "app/pnpm-lock.yaml", "a: &a [*a, *a]\npackages: *a\n"),
		wished("poetry.lock with keys twice", "app/poetry.lock", "[[package]]\nname = \"a\"\nname = \"b\"\nversion = \"\"\n[[package]]\n"),
		wished("poetry.lock a hundred thousand levels deep", "app/poetry.lock", "x = "+repeat("[", 100_000)),
		wished("Cargo.lock of a million tables", "app/Cargo.lock", repeat("[[package]]\n", 12<<20)),
		wished("Gemfile.lock with empty fields", "app/Gemfile.lock", "GEM\n  remote:\n  specs:\n    ()\n     (1)\n    a ()\n\nDEPENDENCIES\n"),
		wished("go.mod with empty fields", "app/go.mod", "module\n\nrequire (\n\t\n\t v1\n)\nrequire\nreplace =>\n"),
		wished("requirements.txt in a loop", "app/requirements.txt", "-r requirements.txt\n==\n>=\n @ \n"),
		wished("pom.xml with an entity bomb", "app/pom.xml", entityBomb(9)),
		wished("pom.xml with an outside entity", "app/pom.xml", "<?xml version=\"1.0\"?>\n<!DOCTYPE p [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>\n<project><groupId>&x;</groupId><artifactId>a</artifactId><version>1</version></project>\n"),
		wished("pom.xml that names itself in its properties", "app/pom.xml", "<project><properties><a>${b}</a><b>${a}</b></properties><groupId>${a}</groupId><artifactId>${a}</artifactId><version>${b}</version></project>\n"),
		wished("pom.xml a million levels deep", "app/pom.xml", repeat("<a>", 3<<20)),
		wished("packages.lock.json with keys of other types", "app/packages.lock.json", `{"version":"x","dependencies":{"net6":{"a":[]}}}`),
		wished("conan.lock of an older form", "app/conan.lock", `{"graph_lock":{"nodes":{"0":{"ref":""},"1":{"ref":"/@#"}}}}`),
		wished("Pipfile.lock with a version that is none", "app/Pipfile.lock", `{"default":{"a":{"version":"=="},"":{"version":""}}}`),
		wished("mix.lock with half a line", "app/mix.lock", "%{\n  \"a\": {:hex, \n  \"\": {:hex, :, \"\"\n"),
	}
}

// aliasBomb is YAML whose values are ten times the ones before, again and again.
func aliasBomb(levels int) string {
	b := "a0: &a0 [lol,lol,lol,lol,lol,lol,lol,lol,lol,lol]\n"
	for i := 1; i <= levels; i++ {
		alias := fmt.Sprintf("*a%d,", i-1)
		b += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(alias, 10), ","))
	}
	return b + fmt.Sprintf("packages: *a%d\n", levels)
}

// entityBomb is the same in XML.
func entityBomb(levels int) string {
	b := "<?xml version=\"1.0\"?>\n<!DOCTYPE p [\n<!ENTITY e0 \"lol\">\n"
	for i := 1; i <= levels; i++ {
		b += fmt.Sprintf("<!ENTITY e%d \"%s\">\n", i, strings.Repeat(fmt.Sprintf("&e%d;", i-1), 10))
	}
	return b + fmt.Sprintf("]>\n<project><groupId>&e%d;</groupId><artifactId>a</artifactId><version>1</version></project>\n", levels)
}
