/* Cards that do something on one click. */
const list = element.querySelector('.se-list');

function show(value) {
  list.replaceChildren(...((value || {}).cards || []).map((card) => {
    const button = make('button', { type: 'button', class: 'se-card', 'data-id': card.id });
    if (card.poster) button.append(make('img', { alt: '', src: mediaUrl(card.poster) }));
    else button.append(make('span', { class: 'se-blank', 'aria-hidden': 'true' }, '▶'));
    button.append(make('span', { class: 'se-words' }, make('b', {}, card.title), make('span', {}, card.words)));
    button.onclick = () => trigger('select', { id: card.id });
    return button;
  }));
}
watch('value', () => show(props.value));
show(props.value);
