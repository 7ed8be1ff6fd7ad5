package analyze

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Revisions of struct vfs_cap_data (linux/capability.h).
const (
	capRevisionMask = 0xff000000
	capRevision1    = 0x01000000
	capRevision2    = 0x02000000
	capRevision3    = 0x03000000
)

// capPairs is how many pairs of words (permitted, inheritable) a revision has after its first word, and its whole size: the
// third ends with the root user of a namespace.
var capPairs = map[uint32]struct{ pairs, size int }{capRevision1: {1, 12}, capRevision2: {2, 20}, capRevision3: {2, 24}}

// unknownCapabilities stands for a value in no known form: it may give anything.
const unknownCapabilities = "unknown"

// capabilities names the capabilities that a file's attribute gives, by commas: the permitted ones, and the inheritable ones,
// which a process gains that has them inheritable itself.
func capabilities(value string) string {
	if value == "" {
		return ""
	}
	b := []byte(value)
	if len(b) < 4 {
		return unknownCapabilities
	}
	form := capPairs[binary.LittleEndian.Uint32(b)&capRevisionMask]
	if form.size != len(b) {
		return unknownCapabilities
	}
	var names []string
	for i := range form.pairs {
		given := binary.LittleEndian.Uint32(b[4+8*i:]) | binary.LittleEndian.Uint32(b[8+8*i:])
		for bit := range 32 {
			if given&(1<<bit) != 0 {
				names = append(names, capabilityName(32*i+bit))
			}
		}
	}
	return strings.Join(names, ",")
}

func capabilityName(n int) string {
	if n < len(capabilityNames) {
		return "cap_" + capabilityNames[n]
	}
	return fmt.Sprintf("cap_%d", n)
}

// capabilityNames by number (capabilities(7), linux/capability.h).
var capabilityNames = []string{
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "linux_immutable",
	"net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot",
	"sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod", "lease",
	"audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog", "wake_alarm", "block_suspend", "audit_read",
	"perfmon", "bpf", "checkpoint_restore",
}
