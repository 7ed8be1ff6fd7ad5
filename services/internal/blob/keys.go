package blob

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plimsoll/plimsoll"
)

// Prefixes of the bucket. No key is a prefix of another, and segments are at most 128 bytes, so that any file system can
// hold them. Only digests and configured names stand in keys, never a name from an image or a registry.
const (
	PrefixRefs        = "refs/"
	PrefixSweeps      = "sweeps/"
	PrefixChanges     = "changes/"
	PrefixGenerations = "advisories/generations/"
	PrefixPacks       = "advisories/packs/"
	PrefixOwn         = "advisories/own/"
	PrefixReports     = "reports/"
	PrefixPolicy      = "policy/"
	PrefixHistory     = "history/findings/"
	PrefixPosture     = "posture/"
	PrefixFacts       = "facts/"
	PrefixAttempts    = "attempts/"
	PrefixPlans       = "plans/"
	PrefixImages      = "images/"
	PrefixInventories = "inventories/"
	PrefixPartial     = "partial/"
	PrefixSnapshots   = "snapshots/"
	PrefixInUse       = "inuse/"
	PrefixGC          = "gc/"
	PrefixEvents      = "events/"
)

// RestoringKey stands while a backup is being restored: what the bucket holds until then is a part.
const RestoringKey = "restoring"

// HistoryHeadKey is the object that names the shards of the history of findings.
const HistoryHeadKey = PrefixHistory + "head"

// FingerprintKey is where the random key of this bucket's fingerprints of secrets stands. It is not derivable: without it the
// fingerprints of the same secrets are others.
const FingerprintKey = "keys/fingerprint"

// DaysKey is where the overview's numbers of each day stand.
const DaysKey = "history/days"

// FactsKey is where one layer's facts by one analyser stand.
func FactsKey(a plimsoll.Analyzer, layer plimsoll.Digest) string {
	return fmt.Sprintf("%s%s/%d-%s/%s", PrefixFacts, a.Name, a.Version, a.Config, fan(layer))
}

// AttemptsKey is where the failed tries of a layer stand.
func AttemptsKey(r plimsoll.Recipe, layer plimsoll.Digest) string {
	return PrefixAttempts + string(r) + "/" + fan(layer)
}

// PlanKey is where what a ScanImages run resolved stands; id is the request's key.
func PlanKey(registry, id string) string { return PrefixPlans + registry + "/" + id }

// ImageKey is where one resolved manifest stands.
func ImageKey(image plimsoll.Digest) string { return PrefixImages + fan(image) }

// InventoryKey is where a whole inventory stands.
func InventoryKey(r plimsoll.Recipe, image plimsoll.Digest) string {
	return PrefixInventories + string(r) + "/" + fan(image)
}

// PartialKey is where an inventory stands while a layer still lacks facts.
func PartialKey(r plimsoll.Recipe, image plimsoll.Digest) string {
	return PrefixPartial + string(r) + "/" + fan(image)
}

// RefsPrefix is the folder of one repository's shards; RefKey is one of them.
func RefsPrefix(registry, repository string) string {
	sum := sha256.Sum256([]byte(repository))
	return PrefixRefs + registry + "/" + hex.EncodeToString(sum[:]) + "/"
}

// RefKey is where one shard of a repository's tags stands: "0-0" below 1,000 tags.
func RefKey(registry, repository string, width, shard int) string {
	return fmt.Sprintf("%s%d-%d", RefsPrefix(registry, repository), width, shard)
}

// SweepKey is where one sweep stands.
func SweepKey(registry, slot string) string { return PrefixSweeps + registry + "/" + slot }

// PushEventsKey is where the counts of a registry's push events in one day stand, by the date in UTC.
func PushEventsKey(registry string, day time.Time) string {
	return pushEventsPrefix(registry) + day.UTC().Format(time.DateOnly)
}

func pushEventsPrefix(registry string) string { return PrefixEvents + registry + "/" }

// ChangeKey is where one batch of the change log stands.
func ChangeKey(stream string, sequence int64) string {
	return fmt.Sprintf("%s%s/%020d", PrefixChanges, stream, sequence)
}

// PackKey is where one ecosystem's records of a generation stand.
func PackKey(ecosystem, sum string) string {
	return PrefixPacks + strings.ReplaceAll(ecosystem, " ", "_") + "/" + sum
}

// EnrichmentPack is the folder of the packs of a feed about exploitation.
func EnrichmentPack(kind string) string { return "enrichment_" + kind }

// PackKeys are the objects that a generation is made of.
func PackKeys(g plimsoll.Generation) []string {
	var out []string
	for _, f := range append(slices.Clip(g.Feeds), g.Own) {
		if f.Pack != "" {
			out = append(out, PackKey(f.Ecosystem, f.Pack))
		}
	}
	for _, f := range g.Enrichment {
		if f.Pack != "" {
			out = append(out, PackKey(EnrichmentPack(f.Ecosystem), f.Pack))
		}
	}
	return out
}

// OwnPrefix is the folder of one of our own advisory records; OwnKey is one version of it, from 1.
func OwnPrefix(id string) string { return PrefixOwn + id + "/" }

// OwnKey is where one version of one of our own advisory records stands.
func OwnKey(id string, version int) string { return fmt.Sprintf("%s%08d", OwnPrefix(id), version) }

// PosturePrefix is the folder of one day's export, by the date in UTC.
func PosturePrefix(day time.Time) string {
	return PrefixPosture + "dt=" + day.UTC().Format(time.DateOnly) + "/"
}

// positionDigits is how many hexadecimal digits name a vector of positions: 128 bits.
const positionDigits = 32

// PostureKey is where the posture of a day stands as Parquet. A vector of positions is as long as there are registries, so the
// key has its hash; the file has it whole.
func PostureKey(day time.Time, generation string, positions map[string]int64) string {
	sum := sha256.New()
	for _, stream := range slices.Sorted(maps.Keys(positions)) {
		fmt.Fprintf(sum, "%s=%d\n", stream, positions[stream])
	}
	return PosturePrefix(day) + generation + "-" + hex.EncodeToString(sum.Sum(nil))[:positionDigits] + ".parquet"
}

// GenerationKey is where a generation's manifest stands.
func GenerationKey(id string) string { return PrefixGenerations + id }

// InUseKey is where one shard stands of when images were last seen in use.
func InUseKey(shard int) string { return fmt.Sprintf("%s%02d", PrefixInUse, shard) }

// DigestOfKey is the digest at the end of a key that [FactsKey], [ImageKey] and their like make; false for other keys.
func DigestOfKey(key string) (plimsoll.Digest, bool) {
	at := strings.LastIndex(key, "sha256/")
	if at < 0 {
		return "", false
	}
	d, err := plimsoll.ParseDigest("sha256:" + key[strings.LastIndex(key, "/")+1:])
	return d, err == nil && fan(d) == key[at:]
}

// fan spreads digests over 256 folders a prefix.
func fan(d plimsoll.Digest) string {
	h := d.Hex()
	return "sha256/" + h[:min(2, len(h))] + "/" + h
}
