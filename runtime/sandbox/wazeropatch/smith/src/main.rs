//! Smith writes random WebAssembly modules for the comparison of two compilers.
//!
//!     smith FIRST COUNT DIR
//!
//! Module n of a release of wasm-smith is always the same. Each module ends by itself: it counts the
//! entries of functions and loops, and traps at a limit.

use arbitrary::Unstructured;
use std::{env, fs, path::Path};
use wasm_smith::{Config, Module};

/// The largest number of entries of functions and loops of a module.
const FUEL: u32 = 2000;
/// Bytes of randomness of a module.
const ENTROPY: usize = 16 << 10;

/// Generates bytes that depend on the seed only (SplitMix64).
fn bytes(seed: u64) -> Vec<u8> {
    let mut x = seed;
    let mut out = Vec::with_capacity(ENTROPY);
    while out.len() < ENTROPY {
        x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = x;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        out.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    out
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = env::args().collect();
    let [_, first, count, dir] = args.as_slice() else {
        return Err("usage: smith FIRST COUNT DIR".into());
    };
    let (first, count): (u64, u64) = (first.parse()?, count.parse()?);
    for seed in first..first + count {
        let random = bytes(seed);
        let mut u = Unstructured::new(&random);
        let config = Config {
            max_imports: 0,
            min_memories: 1,
            max_memories: 1,
            min_funcs: 1,
            max_funcs: 12,
            max_instructions: 400,
            min_exports: 1,
            max_exports: 40,
            export_everything: true,
            memory_max_size_required: true,
            max_memory32_bytes: 1 << 21,
            table_max_size_required: true,
            max_table_elements: 1000,
            canonicalize_nans: true, // the bits of a NaN are not specified
            bulk_memory_enabled: true,
            reference_types_enabled: true,
            simd_enabled: seed % 4 == 0,
            relaxed_simd_enabled: false,
            tail_call_enabled: seed % 3 == 0,
            threads_enabled: false,
            exceptions_enabled: false,
            gc_enabled: false,
            memory64_enabled: false,
            multi_value_enabled: true,
            custom_page_sizes_enabled: false,
            wide_arithmetic_enabled: false,
            extended_const_enabled: false,
            // Half of the modules mostly access memory in bounds and get further.
            disallow_traps: seed % 2 == 0,
            ..Config::default()
        };
        let mut module = Module::new(config, &mut u)?;
        module.ensure_termination(FUEL)?;
        fs::write(Path::new(dir).join(format!("{seed:08}.wasm")), module.to_bytes())?;
    }
    Ok(())
}
