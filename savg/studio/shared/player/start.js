/* `window.savgPlayers` has what is on screen in each player, by the component's id. */

const api = {
  state: () => ({
    id: clip ? clip.id : null, ready: video.readyState >= 2 && !video.seeking, paused: video.paused,
    currentTime: video.currentTime, mediaTime, frame, eventFrame, boxes: drawn.boxes, bands: drawn.bands,
    layers: { ...layers }, levels, loop: video.loop, muted: video.muted, volume: video.volume,
    speed: video.playbackRate, source: clip ? mediaUrl(clip.video) : null,
    annotation, exactFrames: Boolean(video.requestVideoFrameCallback), quieter: meters.quieter(),
  }),
  seek, play, pause: () => video.pause(),
};
const home = root.closest('[id^="savg-"]').id;
window.savgPlayers = { ...window.savgPlayers, [home]: api };
if (home === 'savg-player') window.savgPlayer = api;
watch('value', () => show(props.value));
show(props.value);
