//! Which files make a pretrained model, and what is said where its weights are not safetensors.

use crate::fetch::{Scene, WEIGHTS, repository};
use repro::event::Silent;
use repro::fetch::{FetchError, Fetched, Folder, Hub, Repository, checkpoint, weights};
use repro::spec::pins::Pins;

fn names(files: &[Fetched]) -> Vec<&str> {
    files.iter().map(|file| file.name.as_str()).collect()
}

fn folder(scene: &Scene) -> Folder {
    Folder::new(scene.folder.path().join("hub"), Pins::default())
}

#[test]
fn checkpoint_is_the_same_from_a_folder_and_from_the_hub() {
    let scene = Scene::new();
    scene.server.put("models/owner/name/vocab.txt", b"[PAD]\n");
    let hubs: [&dyn Hub; 2] = [&folder(&scene), &scene.remote()];
    for hub in hubs {
        let files = checkpoint(hub, &repository(), &Silent).unwrap();
        assert_eq!(names(&files.all), ["config.json", "vocab.txt", WEIGHTS]);
        assert_eq!((files.tokenizer_json, files.tokenizer_config), (None, None));
    }
    // What was fetched online is enough offline.
    let files = checkpoint(&scene.offline(), &repository(), &Silent).unwrap();
    assert_eq!(names(&files.all), ["config.json", "vocab.txt", WEIGHTS]);
}

#[test]
fn shards_come_in_the_order_of_their_names() {
    let scene = Scene::new();
    let index =
        br#"{"metadata": {}, "weight_map": {"a": "m-2.safetensors", "b": "m-1.safetensors", "c": "m-2.safetensors"}}"#;
    scene.server.put("models/owner/sharded/model.safetensors.index.json", index);
    scene.server.put("models/owner/sharded/m-1.safetensors", b"1");
    scene.server.put("models/owner/sharded/m-2.safetensors", b"2");
    let files = weights(&scene.remote(), &Repository::model("owner/sharded", None), &Silent).unwrap();
    assert_eq!(names(&files), ["m-1.safetensors", "m-2.safetensors"]);
}

#[test]
fn hostile_index_is_refused() {
    let scene = Scene::new();
    for index in [
        r#"{"weight_map": {"a": "../x.safetensors"}}"#,
        r#"{"weight_map": {"a": "x.bin"}}"#,
        "[]",
        r#"{"weight_map": {}}"#,
    ] {
        scene.server.put("models/owner/bad/model.safetensors.index.json", index.as_bytes());
        let error = weights(&folder(&scene), &Repository::model("owner/bad", None), &Silent).unwrap_err();
        assert!(matches!(error, FetchError::Index { .. }), "{error}");
    }
}

#[test]
fn pickle_gets_an_error_that_says_how_to_convert_it() {
    let scene = Scene::new();
    scene.server.put("models/owner/old/config.json", b"{}");
    scene.server.put("models/owner/old/pytorch_model.bin", b"pickle");
    let hubs: [&dyn Hub; 2] = [&folder(&scene), &scene.remote()];
    for hub in hubs {
        let error = checkpoint(hub, &Repository::model("owner/old", None), &Silent).unwrap_err();
        assert_eq!(
            error.to_string(),
            "model `owner/old` has `pytorch_model.bin` but no safetensors; \
             only safetensors are read, because a pickle can run code"
        );
        let hint = error.hint().unwrap();
        assert!(
            hint.contains(
                "AutoModel.from_pretrained('owner/old').save_pretrained('converted', safe_serialization=True)"
            )
        );
    }
    // The pickle itself was never asked for.
    assert!(scene.server.hub_requests().iter().all(|seen| seen.method == "HEAD" || !seen.path.ends_with(".bin")));
}

#[test]
fn repository_without_any_weights_says_what_was_looked_for() {
    let scene = Scene::new();
    scene.server.put("models/owner/empty/config.json", b"{}");
    let error = checkpoint(&scene.remote(), &Repository::model("owner/empty", None), &Silent).unwrap_err();
    assert!(error.to_string().contains("neither `model.safetensors` nor `model.safetensors.index.json`"), "{error}");
}

#[test]
fn checkpoint_may_be_a_folder_whatever_the_hub_is() {
    let scene = Scene::new();
    let path = scene.folder.path().join("hub/models/owner/name");
    let local = Repository::model(path.to_str().unwrap(), None);
    let files = checkpoint(&scene.remote(), &local, &Silent).unwrap();
    assert_eq!(names(&files.all), ["config.json", WEIGHTS]);
    assert_eq!(scene.server.hub_requests(), []);
    let error = checkpoint(&scene.remote(), &Repository::model("./nowhere", None), &Silent).unwrap_err();
    assert_eq!(error.to_string(), "model `./nowhere` is not here: no folder `./nowhere`");
}
