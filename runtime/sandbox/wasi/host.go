package wasi

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// ModuleName is the name of the module from which guests import the functions.
const ModuleName = "wasi_snapshot_preview1"

// function is one function of preview 1, or one of those beyond it (package documentation). Its
// params have one letter each, i for i32 and I for i64. All functions except proc_exit return an
// errno.
type function struct {
	name   string
	params string
	call   func(s *System, g guest, p []uint64) errno
}

var functions = []function{
	{"args_get", "ii", argsGet},
	{"args_sizes_get", "ii", argsSizesGet},
	{"clock_res_get", "ii", clockResGet},
	{"clock_time_get", "iIi", clockTimeGet},
	{"environ_get", "ii", environGet},
	{"environ_sizes_get", "ii", environSizesGet},
	{"fd_advise", "iIIi", fdAdvise},
	{"fd_allocate", "iII", fdAllocate},
	{"fd_close", "i", fdClose},
	{"fd_datasync", "i", fdSync},
	{"fd_dup", "iii", fdDup},
	{"fd_fdstat_get", "ii", fdFdstatGet},
	{"fd_fdstat_set_flags", "ii", fdFdstatSetFlags},
	{"fd_fdstat_set_rights", "iII", noSuchFunction},
	{"fd_filestat_get", "ii", fdFilestatGet},
	{"fd_filestat_set_size", "iI", fdFilestatSetSize},
	{"fd_filestat_set_times", "iIIi", fdFilestatSetTimes},
	{"fd_pread", "iiiIi", fdPread},
	{"fd_prestat_dir_name", "iii", fdPrestatDirName},
	{"fd_prestat_get", "ii", fdPrestatGet},
	{"fd_pwrite", "iiiIi", fdPwrite},
	{"fd_read", "iiii", fdRead},
	{"fd_readdir", "iiiIi", fdReaddir},
	{"fd_renumber", "ii", fdRenumber},
	{"fd_seek", "iIii", fdSeek},
	{"fd_sync", "i", fdSync},
	{"fd_tell", "ii", fdTell},
	{"fd_write", "iiii", fdWrite},
	{"path_create_directory", "iii", pathCreateDirectory},
	{"path_filestat_get", "iiiii", pathFilestatGet},
	{"path_filestat_set_times", "iiiiIIi", pathFilestatSetTimes},
	{"path_link", "iiiiiii", pathLink},
	{"path_open", "iiiiiIIii", pathOpen},
	{"path_readlink", "iiiiii", pathReadlink},
	{"path_remove_directory", "iii", pathRemoveDirectory},
	{"path_rename", "iiiiii", pathRename},
	{"path_symlink", "iiiii", pathSymlink},
	{"path_unlink_file", "iii", pathUnlinkFile},
	{"poll_oneoff", "iiii", pollOneoff},
	{"proc_exit", "i", procExit},
	{"proc_raise", "i", noSuchFunction},
	{"random_get", "ii", randomGet},
	{"sched_yield", "", schedYield},
	{"sock_accept", "iii", sockAccept},
	{"sock_connect", "ii", sockConnect},
	{"sock_found", "iii", sockFound},
	{"sock_getopt", "iiii", sockGetopt},
	{"sock_look_up", "iiii", sockLookUp},
	{"sock_name", "iii", sockName},
	{"sock_open", "iii", sockOpen},
	{"sock_pair", "ii", sockPair},
	{"sock_reason", "iii", sockReason},
	{"sock_recv", "iiiiii", sockRecv},
	{"sock_recv_from", "iiiiii", sockRecvFrom},
	{"sock_resolve", "iiiii", sockResolve},
	{"sock_send", "iiiii", sockSend},
	{"sock_send_to", "iiiiii", sockSendTo},
	{"sock_setopt", "iiii", sockSetopt},
	{"sock_shutdown", "ii", sockShutdown},
	{"tls_call", "iiiiiiIi", tlsCallFunction},
	{"tmp_usage", "i", tmpUsage},
}

// Instantiate adds the module wasi_snapshot_preview1 to the runtime. It may be called once per
// runtime. Each host function calls find with the context of the guest call, on the guest's
// goroutine; find returns the run's System, never nil, and should take only some nanoseconds. The
// guests must have a memory.
func Instantiate(ctx context.Context, rt wazero.Runtime, find func(ctx context.Context) *System) error {
	builder := rt.NewHostModuleBuilder(ModuleName)
	for _, f := range functions {
		params := make([]api.ValueType, len(f.params))
		for i, letter := range f.params {
			params[i] = api.ValueTypeI32
			if letter == 'I' {
				params[i] = api.ValueTypeI64
			}
		}
		results := []api.ValueType{api.ValueTypeI32}
		code := api.GoModuleFunc(func(ctx context.Context, m api.Module, stack []uint64) {
			stack[0] = uint64(f.call(find(ctx), guest{m.Memory()}, stack))
		})
		if f.name == "proc_exit" {
			results = nil
		}
		builder.NewFunctionBuilder().WithGoModuleFunction(code, params, results).WithName(f.name).Export(f.name)
	}
	if _, err := builder.Instantiate(ctx); err != nil {
		return fmt.Errorf("wasi: %w", err)
	}
	return nil
}
