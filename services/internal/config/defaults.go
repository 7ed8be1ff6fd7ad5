package config

import (
	"cmp"
	"runtime"
	"time"

	"github.com/plimsoll/plimsoll"
	"github.com/plimsoll/plimsoll/services/internal/blob"
)

// Off is what switches a schedule off.
const Off = "off"

const (
	defaultSweep       = "0 1 * * *" // at night, so that the weekly report finds it done
	defaultReport      = "0 6 * * 1"
	defaultZone        = "UTC"
	defaultConcurrency = 8
	sweepPerSlot       = 4 // requests in flight a worker slot: the window of DESIGN §6
)

// Default is the configuration of a file that says nothing.
func Default() File { return File{}.withDefaults() }

// withDefaults fills each field that is zero.
func (f File) withDefaults() File {
	def(&f.Listen, "127.0.0.1:8080")
	def(&f.Data, "plimsoll-data")
	def(&f.LogLevel, "info")
	def(&f.Bucket.Bucket, "plimsoll")
	def(&f.Bucket.Region, blob.DefaultRegion)
	def(&f.Temporal.Namespace, "default")
	def(&f.Worker.Listen, "127.0.0.1:9090")
	def(&f.Worker.Admin, "127.0.0.1:9091")
	def(&f.Worker.Slots, runtime.GOMAXPROCS(0)+1)
	def(&f.Scheduler.Listen, "127.0.0.1:8081")
	def(&f.Scheduler.PushSlots, 32)
	def(&f.Scheduler.SweepSlots, sweepPerSlot*f.Worker.Slots)
	def(&f.Reporter.Listen, "127.0.0.1:8080")
	def(&f.Reporter.Poll, time.Hour)
	def(&f.Reporter.StaleAfter, 48*time.Hour)
	def(&f.Reporter.ActiveDays, 30)
	def(&f.Reporter.ReportCron, defaultReport)
	def(&f.Reporter.ReportZone, defaultZone)
	var registries []plimsoll.Registry
	for _, r := range f.Registries {
		registries = append(registries, registryDefaults(r))
	}
	f.Registries = registries
	return f
}

func registryDefaults(r plimsoll.Registry) plimsoll.Registry {
	def(&r.Kind, plimsoll.KindDistribution)
	def(&r.Sweep.Cron, defaultSweep)
	def(&r.Sweep.TimeZone, defaultZone)
	def(&r.Concurrency, defaultConcurrency)
	return r
}

// def sets a field that nobody has set.
func def[T comparable](field *T, value T) { *field = cmp.Or(*field, value) }
