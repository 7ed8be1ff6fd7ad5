package list

import (
	"fmt"
	"slices"
	"strings"
)

// FindingList are the findings of a comparison that a question wants: by change, worst first.
func (c *Comparison) FindingList(q Question) Ordered[ComparedFinding] {
	var out []ComparedFinding
	for _, x := range c.findings {
		if (q.Change == "" || x.Change == q.Change) && (q.Severity == "" || x.Severity == q.Severity) {
			out = append(out, x)
		}
	}
	return order(out, func(x ComparedFinding) string {
		exploited := 1
		if x.Exploited {
			exploited = 0
		}
		return fmt.Sprintf("%d%d%d%05d", slices.Index(FindingChanges, x.Change), x.Severity.Rank(), exploited, 1000-int(x.Score*10)) + x.ID + "\x00" + x.Package
	})
}

// PackageList are the packages of a comparison that a question wants: by change, then by name.
func (c *Comparison) PackageList(q Question) Ordered[ComparedPackage] {
	var out []ComparedPackage
	for _, x := range c.packages {
		if q.Packages == "" || x.Change == q.Packages {
			out = append(out, x)
		}
	}
	return order(out, func(x ComparedPackage) string {
		return fmt.Sprint(slices.Index(PackageChanges, x.Change), x.Name, "\x00", strings.Join(x.Ecosystems, "\x00"))
	})
}

// ComparedFindingColumns are the columns of a comparison's findings.
var ComparedFindingColumns = []Column[ComparedFinding]{
	{"change", func(x ComparedFinding) string { return string(x.Change) }},
	{"severity", func(x ComparedFinding) string { return string(x.Severity) }},
	{"id", func(x ComparedFinding) string { return x.ID }},
	{"package", func(x ComparedFinding) string { return x.Package }},
	{"ecosystems", func(x ComparedFinding) string { return strings.Join(x.Ecosystems, ", ") }},
	{"versions", func(x ComparedFinding) string { return strings.Join(x.Versions, ", ") }},
	{"versions there", func(x ComparedFinding) string { return strings.Join(x.WithVersions, ", ") }},
	{"fixed in", func(x ComparedFinding) string { return strings.Join(x.Fixed, ", ") }},
	{"places", func(x ComparedFinding) string { return count(x.Places) }},
	{"places there", func(x ComparedFinding) string { return count(x.WithPlaces) }},
}

// ComparedPackageColumns are the columns of a comparison's packages.
var ComparedPackageColumns = []Column[ComparedPackage]{
	{"change", func(x ComparedPackage) string { return string(x.Change) }},
	{"name", func(x ComparedPackage) string { return x.Name }},
	{"ecosystems", func(x ComparedPackage) string { return strings.Join(x.Ecosystems, ", ") }},
	{"versions", func(x ComparedPackage) string { return strings.Join(x.Versions, ", ") }},
	{"versions there", func(x ComparedPackage) string { return strings.Join(x.WithVersions, ", ") }},
}
