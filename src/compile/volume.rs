//! Storage: CSI volumes of the group and where they appear in the container.

use std::collections::BTreeMap;

use crate::clients::nomad::job::{VolumeMount, VolumeRequest};
use crate::desired::DesiredVolume;

/// Each allocation claims its own volume, `<id>[<its index>]`.
pub(super) fn requests(volumes: &[DesiredVolume]) -> BTreeMap<String, VolumeRequest> {
    volumes
        .iter()
        .map(|volume| {
            let request = VolumeRequest {
                name: volume.id.clone(),
                volume_type: "csi",
                source: volume.id.clone(),
                read_only: false,
                access_mode: "single-node-writer",
                attachment_mode: "file-system",
                per_alloc: true,
            };
            (volume.id.clone(), request)
        })
        .collect()
}

pub(super) fn mounts(volumes: &[DesiredVolume]) -> Vec<VolumeMount> {
    volumes
        .iter()
        .flat_map(|volume| {
            volume.mounts.iter().map(|path| VolumeMount {
                volume: volume.id.clone(),
                destination: path.clone(),
                read_only: false,
            })
        })
        .collect()
}
